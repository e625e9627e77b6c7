//! W3C trace context in the headers of messages.

use forebay_queue_core::Headers;

/// The names that W3C Trace Context gives.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

tokio::task_local! {
    /// The trace context of the message that the handler around us works on.
    pub(crate) static FORWARDED: Headers;
}

/// Writes trace context into headers that have none.
///
/// Headers that are full stay as they are: a message without trace context is better than a publish that fails.
pub(crate) fn inject(headers: &mut Headers) {
    if headers.get(TRACEPARENT).is_some() {
        return;
    }
    #[cfg(feature = "otel")]
    if otel::inject_current(headers) {
        return;
    }
    let _ = FORWARDED.try_with(|forwarded| {
        for (name, value) in forwarded.iter() {
            let _ = headers.insert(name, value);
        }
    });
}

/// The trace context among the headers, unread.
pub(crate) fn of(headers: &Headers) -> Headers {
    let mut context = Headers::new();
    if let Some(parent) = headers.get(TRACEPARENT) {
        let _ = context.insert(TRACEPARENT, parent);
        if let Some(state) = headers.get(TRACESTATE) {
            let _ = context.insert(TRACESTATE, state);
        }
    }
    context
}

#[cfg(feature = "otel")]
pub(crate) mod otel {
    use forebay_queue_core::Headers;
    use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
    use opentelemetry::trace::TraceContextExt;
    use opentelemetry::{Context, TraceId};
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    /// Writes the context of the current span, if it has a valid one.
    pub(super) fn inject_current(headers: &mut Headers) -> bool {
        let context = Span::current().context();
        let valid = context.span().span_context().is_valid();
        if valid {
            TraceContextPropagator::new().inject_context(&context, &mut Write(headers));
        }
        valid
    }

    /// Makes `span` a child of the span that the headers name, and gives the trace that it then belongs to.
    ///
    /// The span must not have been entered.
    pub(crate) fn continue_trace(span: &Span, headers: &Headers) -> Option<TraceId> {
        let remote =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Read(headers));
        let remote_trace = remote.span().span_context().trace_id();
        if remote_trace != TraceId::INVALID {
            // Without the layer of OpenTelemetry there is nothing to set, and nothing is lost.
            let _ = span.set_parent(remote);
        }
        let own_trace = span.context().span().span_context().trace_id();
        [own_trace, remote_trace]
            .into_iter()
            .find(|trace| *trace != TraceId::INVALID)
    }

    struct Write<'a>(&'a mut Headers);

    impl Injector for Write<'_> {
        fn set(&mut self, key: &str, value: String) {
            // The propagator gives an empty `tracestate` where there is none.
            if !value.is_empty() {
                let _ = self.0.insert(key, value);
            }
        }
    }

    struct Read<'a>(&'a Headers);

    impl Extractor for Read<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key)
        }

        fn keys(&self) -> Vec<&str> {
            self.0.iter().map(|(name, _)| name).collect()
        }
    }
}
