//! What forebay says about itself: metrics, log events, spans and trace context.
//!
//! Nothing here is needed to run a queue. Each part is an [`Observer`](forebay_queue_core::Observer) or a tower
//! layer that an application adds:
//!
//! | part | what it does | feature |
//! |---|---|---|
//! | `PrometheusObserver` | counts and times everything, in the text format of Prometheus | `prometheus` (default) |
//! | [`TracingObserver`] | writes structured `tracing` events; hands trace context to published messages | none |
//! | [`TraceLayer`] | runs each handler in a span named `process` | none |
//! | W3C context | ties the span of a handler to the span that published the message | `otel` |
//!
//! # What is never written
//! Payloads, header values, idempotency keys, fairness keys, throttle keys, receipts and the sources of errors: none of
//! them appears in a metric, an event or a span. An idempotency key appears as the beginning of its SHA-256.
//! Metrics know no message id either.
//!
//! # Trace context
//! [`TracingObserver`] adds `traceparent` and `tracestate` to every message that is published and has no `traceparent`
//! yet. With the feature `otel` they name the current span, as the OpenTelemetry layer of `tracing` knows it. Where
//! there is none, or without the feature, a message that is published from within a handler under [`TraceLayer`] gets
//! those of the message that the handler works on, unread and unchanged, as W3C allows to who takes no part in a
//! trace. A handler that spawns a task of its own leaves that behind: the new task forwards nothing.

mod context;
#[cfg(feature = "prometheus")]
mod metric;
#[cfg(feature = "prometheus")]
mod prometheus_observer;
#[cfg(feature = "prometheus")]
mod recent_kinds;
#[cfg(feature = "prometheus")]
mod series;
#[cfg(feature = "prometheus")]
mod series_of_kind;
#[cfg(feature = "prometheus")]
mod series_of_queue;
mod trace_layer;
mod tracing_observer;

#[cfg(feature = "prometheus")]
pub use metric::{METRICS, Metric, MetricKind};
#[cfg(feature = "prometheus")]
pub use prometheus_observer::{CONTENT_TYPE, PrometheusObserver, RegisterError};
pub use trace_layer::{Trace, TraceLayer};
pub use tracing_observer::TracingObserver;
