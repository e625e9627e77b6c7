//! What is logged, at which level, and what never is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::captured::Captured;
use crate::scripted::{Answer, ID, Scripted, Store, delivery, message, unavailable};
use forebay_queue_core::{
    CallId, CancelOutcome, CancelTarget, Delivery, Error, Event, Headers, IdempotencyKey, Kind,
    Nack, NackAction, NewMessage, Observer, Observers, Operation, ProcessOutcome, PublishOutcome,
    Queue, QueueName, Redriven, Request, Response, SettleOutcome, Source, observed,
};
use forebay_telemetry::{TraceLayer, TracingObserver};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

/// What a worker hands to its services.
struct Job(Delivery);

impl AsRef<Delivery> for Job {
    fn as_ref(&self) -> &Delivery {
        &self.0
    }
}

fn emails() -> QueueName {
    QueueName::from_static("emails")
}

async fn open(answers: Vec<(Duration, Answer)>) -> (Arc<Scripted>, Arc<dyn Queue>) {
    let script = Scripted::new(answers);
    let observers = Observers::none().with(Arc::new(TracingObserver::new()));
    let backend = observed(Arc::new(Store(Arc::clone(&script))), observers);
    let queue = backend.open(&emails(), None).await.unwrap();
    (script, queue)
}

fn tell(outcome: ProcessOutcome) {
    TracingObserver::new().observe(&Event::Processed {
        source: Source {
            backend: "memory",
            queue: &emails(),
        },
        kind: &Kind::from_static("a"),
        id: ID,
        attempt: 3,
        outcome,
        elapsed: Some(2 * MS),
    });
}

#[test]
fn a_processed_delivery_is_one_event_with_all_its_fields() {
    let log = Captured::default();
    let guard = log.install();
    tell(ProcessOutcome::Done);
    tell(ProcessOutcome::Reject);
    tell(ProcessOutcome::Dead);
    drop(guard);
    let events = log.events();
    let levels: Vec<_> = events.iter().map(|e| &e["level"]).collect();
    assert_eq!(levels, ["DEBUG"; 3]);
    assert_eq!(
        events[1]["fields"],
        serde_json::json!({
            "message": "delivery processed",
            "backend": "memory",
            "queue": "emails",
            "message_id": ID.to_string(),
            "kind": "a",
            "attempt": 3,
            "outcome": "reject",
            "duration_ms": 2.0,
        })
    );
    assert_eq!(events[1]["target"], "forebay");
}

#[tokio::test(start_paused = true)]
async fn each_operation_is_one_event_and_an_idle_receive_is_quiet() {
    let log = Captured::default();
    let guard = log.install();
    let (_, queue) = open(vec![
        (MS, Answer::Publish(Ok(vec![PublishOutcome::Accepted(ID)]))),
        (MS, Answer::Receive(Ok(vec![]))),
        (MS, Answer::Receive(Ok(vec![delivery(message("a"))]))),
        (MS, Answer::Settle(Ok(vec![SettleOutcome::LeaseLost]))),
        (MS, Answer::Settle(Err(unavailable()))),
        (MS, Answer::Never),
    ])
    .await;
    queue
        .publish(vec![message("a")], Duration::ZERO)
        .await
        .unwrap();
    queue.receive(1, MS).await.unwrap();
    let delivery = queue.receive(1, MS).await.unwrap().remove(0);
    delivery.clone().ack(&*queue).await.unwrap();
    delivery.extend(&*queue).await.unwrap_err();
    tokio::time::timeout(MS, queue.receive(1, MS))
        .await
        .unwrap_err();
    drop(guard);
    let debug: Vec<_> = log
        .events()
        .into_iter()
        .filter(|e| e["level"] == "DEBUG")
        .map(|e| format!("{} {}", e["fields"]["operation"], e["fields"]["message"]))
        .collect();
    assert_eq!(
        debug,
        [
            r#""publish" "published""#,
            r#""receive" "received""#,
            r#""ack" "settled""#,
            r#""extend" "failed""#,
            r#""receive" "dropped by its caller""#,
        ]
    );
}

#[tokio::test]
async fn what_a_handler_logs_carries_the_span_of_its_delivery() {
    let log = Captured::default();
    let guard = log.install();
    let handler = ServiceBuilder::new()
        .layer(TraceLayer::new().with_queue(emails()))
        .service(service_fn(async |_job: Job| {
            tracing::info!("working");
            Ok::<_, Infallible>(())
        }));
    handler.oneshot(Job(delivery(message("a")))).await.unwrap();
    drop(guard);
    let events = log.events();
    assert_eq!(events.len(), 1);
    let span = &events[0]["span"];
    assert_eq!(span["name"], "process");
    assert_eq!(span["message_id"], ID.to_string());
    assert_eq!(span["kind"], "a");
    assert_eq!(span["queue"], "emails");
    assert_eq!(span["attempt"], 2);
    // printf canary-idempotency | sha256sum | cut -c1-16
    assert_eq!(span["idempotency_key_hash"], HASH);
    assert!(span.get("trace_id").is_none(), "{span}");
}

/// The first 16 digits of the SHA-256 of `canary-idempotency`.
const HASH: &str = "9b94bdf7aa01e293";

fn with_context(kind: &'static str) -> NewMessage {
    let mut headers = Headers::new();
    headers
        .insert("traceparent", "canary-not-even-valid")
        .unwrap();
    headers.insert("tracestate", "canary-state").unwrap();
    headers.insert("x-other", "canary-other").unwrap();
    message(kind).with_headers(headers)
}

/// A handler that takes no part in a trace hands on what it got, as it is.
#[tokio::test(start_paused = true)]
async fn a_message_published_by_a_handler_inherits_the_trace_context() {
    let accepted = || (MS, Answer::Publish(Ok(vec![PublishOutcome::Accepted(ID)])));
    let (script, queue) = open(vec![accepted(), accepted(), accepted()]).await;
    let inner = Arc::clone(&queue);
    let handler = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .service(service_fn(move |_job: Job| {
            let queue = Arc::clone(&inner);
            async move {
                let plain = NewMessage::new(Kind::from_static("b"), "");
                queue.publish(vec![plain.clone()], MS).await?;
                let mut own = Headers::new();
                own.insert("traceparent", "its-own")?;
                queue.publish(vec![plain.with_headers(own)], MS).await?;
                Ok::<_, Error>(())
            }
        }));
    let job = Job(delivery(with_context("a")));
    handler.oneshot(job).await.unwrap();
    let outside = NewMessage::new(Kind::from_static("b"), "");
    queue.publish(vec![outside], MS).await.unwrap();
    let published: Vec<Vec<(String, String)>> = script
        .published()
        .iter()
        .map(|m| {
            m.headers()
                .iter()
                .map(|(n, v)| (n.into(), v.into()))
                .collect()
        })
        .collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        published,
        [
            vec![
                pair("traceparent", "canary-not-even-valid"),
                pair("tracestate", "canary-state")
            ],
            vec![pair("traceparent", "its-own")],
            vec![],
        ]
    );
}

/// Everything that can be told, with a canary in every private place, at the lowest level.
#[tokio::test(start_paused = true)]
async fn no_payload_key_header_or_source_is_ever_logged() {
    let log = Captured::default();
    let guard = log.install();
    let (_, queue) = open(vec![
        (MS, Answer::Publish(Ok(vec![PublishOutcome::Accepted(ID)]))),
        (MS, Answer::Publish(Err(unavailable()))),
        (MS, Answer::Receive(Ok(vec![delivery(with_context("a"))]))),
        (MS, Answer::Settle(Err(unavailable()))),
    ])
    .await;
    queue.publish(vec![with_context("a")], MS).await.unwrap();
    queue.publish(vec![message("a")], MS).await.unwrap_err();
    let delivery = queue.receive(1, MS).await.unwrap().remove(0);
    delivery
        .clone()
        .dead_letter(&*queue, "canary-cause")
        .await
        .unwrap_err();
    tell_everything(&delivery);
    let handler = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .service(service_fn(async |job: Job| {
            tracing::trace!(message = ?job.0, "handler");
            Ok::<_, Infallible>(())
        }));
    handler.oneshot(Job(delivery)).await.unwrap();
    drop(guard);
    let text = log.text();
    assert!(text.lines().count() > 20, "{text}");
    assert!(!text.contains("canary"), "{text}");
}

fn tell_everything(delivery: &Delivery) {
    let queue = emails();
    let source = Source {
        backend: "memory",
        queue: &queue,
    };
    let observer = TracingObserver::new();
    let observe = |event: Event<'_>| observer.observe(&event);
    let nack = Nack {
        receipt: delivery.receipt.clone(),
        action: NackAction::DeadLetter,
        cause: Some("canary-cause".into()),
    };
    let (messages, nacks) = ([with_context("a")], [nack]);
    let target = CancelTarget::Key(IdempotencyKey::new("canary-cancel").unwrap());
    let requests = [
        (Operation::Publish, Request::Publish(&messages)),
        (
            Operation::Ack,
            Request::Receipts(std::slice::from_ref(&delivery.receipt)),
        ),
        (Operation::Nack, Request::Nacks(&nacks)),
        (Operation::Cancel, Request::Cancel(&target)),
    ]
    .map(|(operation, request)| Event::Invoked {
        call: CallId(1),
        source,
        operation,
        request,
    });
    requests.into_iter().for_each(observe);
    let redriven = Redriven {
        redriven: 1,
        full: false,
    };
    let responses = [
        (
            Operation::Cancel,
            Response::Cancelled(CancelOutcome::NotFound),
        ),
        (Operation::Redrive, Response::Redriven(redriven)),
        (Operation::Purge, Response::Done(3)),
        (Operation::Publish, Response::Dropped),
    ];
    for (operation, response) in responses {
        observe(Event::Returned {
            call: CallId(1),
            source,
            operation,
            elapsed: MS,
            response,
        });
    }
    observe(Event::Started {
        source,
        delivery,
        dwell: MS,
    });
    ProcessOutcome::ALL.into_iter().for_each(tell);
    observe(Event::Paused { source, pause: MS });
    observe(Event::Resumed { source });
}
