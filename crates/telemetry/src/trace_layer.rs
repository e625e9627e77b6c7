use std::task::{Context, Poll};

use forebay_queue_core::{Delivery, Headers, IdempotencyKey, QueueName};
use sha2::{Digest, Sha256};
use tokio::task::futures::TaskLocalFuture;
use tower_layer::Layer;
use tower_service::Service;
use tracing::field::{Empty, display};
use tracing::instrument::{Instrument, Instrumented};
use tracing::{Span, info_span};

use crate::context;

/// Runs each handler in a `tracing` span named `process`, at level INFO with the target `forebay`.
///
/// It works around any service whose request gives away its [`Delivery`]. The fields of the span, each where it is
/// known: `message_id`, `kind`, `queue`, `attempt`, `idempotency_key_hash` (the first 16 hexadecimal digits of the
/// key's SHA-256) and, with the feature `otel`, `trace_id`. Whatever a handler logs carries them.
///
/// A message that is published within the handler belongs to the same trace, provided that a
/// [`TracingObserver`](crate::TracingObserver) sees the publish.
#[derive(Clone, Debug, Default)]
pub struct TraceLayer {
    queue: Option<QueueName>,
}

impl TraceLayer {
    /// A layer that knows no queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the queue in the spans: a delivery does not know where it came from.
    pub fn with_queue(mut self, queue: QueueName) -> Self {
        self.queue = Some(queue);
        self
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace {
            inner,
            queue: self.queue.clone(),
        }
    }
}

/// What [`TraceLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct Trace<S> {
    inner: S,
    queue: Option<QueueName>,
}

impl<S, R> Service<R> for Trace<S>
where
    S: Service<R>,
    R: AsRef<Delivery>,
{
    type Response = S::Response;
    type Error = S::Error;
    /// The headers are the trace context that messages published within are given.
    type Future = Instrumented<TaskLocalFuture<Headers, S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let delivery = request.as_ref();
        let span = span(delivery, self.queue.as_ref());
        let forwarded = context::of(delivery.message.headers());
        let future = span.in_scope(|| self.inner.call(request));
        context::FORWARDED.scope(forwarded, future).instrument(span)
    }
}

fn span(delivery: &Delivery, queue: Option<&QueueName>) -> Span {
    let message = &delivery.message;
    let span = info_span!(
        target: "forebay",
        "process",
        message_id = %message.id(),
        kind = message.kind().as_str(),
        queue = queue.map(QueueName::as_str),
        attempt = delivery.attempt,
        idempotency_key_hash = Empty,
        trace_id = Empty,
        otel.kind = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    if let Some(key) = message.idempotency_key() {
        span.record("idempotency_key_hash", display(hash(key)));
    }
    #[cfg(feature = "otel")]
    {
        span.record("otel.kind", "consumer");
        if let Some(trace) = context::otel::continue_trace(&span, message.headers()) {
            span.record("trace_id", display(trace));
        }
    }
    span
}

fn hash(key: &IdempotencyKey) -> String {
    hex::encode(&Sha256::digest(key.as_str())[..8])
}
