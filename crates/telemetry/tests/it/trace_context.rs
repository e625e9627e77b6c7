//! One trace from the publisher through the headers of a message to its handler and beyond.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::scripted::{Answer, ID, Scripted, Store, delivery};
use forebay_queue_core::{
    Delivery, Error, Headers, Kind, NewMessage, Observers, PublishOutcome, Queue, QueueName,
    observed,
};
use forebay_telemetry::{TraceLayer, TracingObserver};
use opentelemetry::trace::{SpanKind, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::Instrument;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

const MS: Duration = Duration::from_millis(1);

struct Job(Delivery);

impl AsRef<Delivery> for Job {
    fn as_ref(&self) -> &Delivery {
        &self.0
    }
}

/// Spans of this thread end here.
struct Exported {
    spans: InMemorySpanExporter,
    _provider: SdkTracerProvider,
    _guard: DefaultGuard,
}

impl Exported {
    fn install() -> Self {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        crate::captured::listen_everywhere();
        Self {
            spans,
            _provider: provider,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    #[track_caller]
    fn span(&self, name: &str) -> SpanData {
        let spans = self.spans.get_finished_spans().unwrap();
        let mut named = spans.into_iter().filter(|s| s.name == name);
        let span = named.next().expect("a span of that name");
        assert!(named.next().is_none(), "two spans {name}");
        span
    }
}

fn plain() -> NewMessage {
    NewMessage::new(Kind::from_static("a"), "")
}

async fn open(publishes: usize) -> (Arc<Scripted>, Arc<dyn Queue>) {
    let accepted = || (MS, Answer::Publish(Ok(vec![PublishOutcome::Accepted(ID)])));
    let script = Scripted::new((0..publishes).map(|_| accepted()));
    let observers = Observers::none().with(Arc::new(TracingObserver::new()));
    let backend = observed(Arc::new(Store(Arc::clone(&script))), observers);
    let name = QueueName::from_static("emails");
    let queue = backend.open(&name, None).await.unwrap();
    (script, queue)
}

#[tokio::test(start_paused = true)]
async fn publisher_handler_and_what_the_handler_publishes_share_a_trace() {
    let exported = Exported::install();
    let (script, queue) = open(2).await;
    queue
        .publish(vec![plain()], MS)
        .instrument(tracing::info_span!("request"))
        .await
        .unwrap();
    let first = script.published().remove(0);
    assert!(first.headers().get("traceparent").is_some());
    assert!(
        first.headers().get("tracestate").is_none(),
        "empty: left out"
    );

    let handler = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .service(service_fn(|_job: Job| {
            let queue = Arc::clone(&queue);
            async move {
                queue.publish(vec![plain()], MS).await?;
                Ok::<_, Error>(())
            }
        }));
    handler.oneshot(Job(delivery(first))).await.unwrap();

    let request = exported.span("request");
    let process = exported.span("process");
    let trace = request.span_context.trace_id();
    assert_eq!(process.span_context.trace_id(), trace);
    assert_eq!(process.parent_span_id, request.span_context.span_id());
    assert!(process.parent_span_is_remote);
    assert_eq!(process.span_kind, SpanKind::Consumer);
    let attribute = |name: &str| {
        let found = process.attributes.iter().find(|a| a.key.as_str() == name);
        found.map(|a| a.value.to_string())
    };
    assert_eq!(attribute("message_id"), Some(ID.to_string()));
    assert_eq!(attribute("trace_id"), Some(trace.to_string()));
    let second = script.published().remove(1);
    let expected = format!("00-{trace}-{}-01", process.span_context.span_id());
    assert_eq!(second.headers().get("traceparent"), Some(&*expected));
}

#[tokio::test(start_paused = true)]
async fn a_message_keeps_the_trace_context_it_has() {
    let _exported = Exported::install();
    let (script, queue) = open(1).await;
    let mut headers = Headers::new();
    headers.insert("traceparent", PARENT).unwrap();
    queue
        .publish(vec![plain().with_headers(headers.clone())], MS)
        .instrument(tracing::info_span!("request"))
        .await
        .unwrap();
    assert_eq!(script.published()[0].headers(), &headers);
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn process(headers: Headers) {
    let handler = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .service(service_fn(async |_job: Job| Ok::<_, Infallible>(())));
    let message = plain().with_headers(headers);
    handler.oneshot(Job(delivery(message))).await.unwrap();
}

#[tokio::test]
async fn a_trace_from_elsewhere_goes_on_with_its_state() {
    let exported = Exported::install();
    let mut headers = Headers::new();
    headers.insert("traceparent", PARENT).unwrap();
    headers.insert("tracestate", "vendor=1").unwrap();
    process(headers).await;
    let span = exported.span("process").span_context;
    assert_eq!(
        span.trace_id().to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(span.trace_state().header(), "vendor=1");
}

#[tokio::test]
async fn without_a_context_or_with_nonsense_a_trace_begins() {
    for parent in [
        None,
        Some("canary-nonsense"),
        Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
    ] {
        let exported = Exported::install();
        let mut headers = Headers::new();
        if let Some(parent) = parent {
            headers.insert("traceparent", parent).unwrap();
        }
        process(headers).await;
        let span = exported.span("process");
        assert!(span.span_context.is_valid());
        assert_eq!(span.parent_span_id, opentelemetry::trace::SpanId::INVALID);
        assert!(!format!("{span:?}").contains("canary"), "{span:?}");
    }
}
