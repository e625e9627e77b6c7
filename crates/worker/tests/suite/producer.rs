use std::time::{Duration, SystemTime};

use forebay_queue_core::{
    Error, Fingerprint, Headers, MessageId, Observer, Observers, QueueName, Timestamp,
};
use forebay_worker::Connection;
use std::sync::Arc;

use crate::fixture::{Fixture, Number};

const ONE: Number = Number { number: 1 };

#[tokio::test(start_paused = true)]
async fn everything_that_was_asked_for_is_in_the_message() {
    let fixture = Fixture::new().await;
    let producer = fixture.connection.producer();
    let now = fixture.connection.environment().now();
    let publish = producer
        .publish(ONE)
        .idempotency_key("welcome:42")
        .fingerprint(Fingerprint([7; 32]))
        .fairness_key("ann")
        .delay(Duration::from_mins(1))
        .expires_in(Duration::from_mins(10))
        .header("tenant", "blue");
    let id = publish.message_id().unwrap();
    let outcome = publish.await.unwrap();
    assert_eq!(outcome.id(), id, "the sender makes the id");
    let message = fixture.get(id).await.unwrap().message;
    assert_eq!(message.kind().as_str(), "number");
    assert_eq!(&message.payload()[..], br#"{"number":1}"#);
    assert_eq!(message.idempotency_key().unwrap().as_str(), "welcome:42");
    assert_eq!(message.fairness_key().as_str(), "ann");
    assert_eq!(
        message.deliver_at(),
        Some(now.after(Duration::from_mins(1)))
    );
    assert_eq!(
        message.expires_at(),
        Some(now.after(Duration::from_mins(10)))
    );
    assert_eq!(message.headers().get("tenant"), Some("blue"));

    let again = producer
        .publish(ONE)
        .idempotency_key("welcome:42")
        .fingerprint(Fingerprint([8; 32]))
        .await
        .unwrap();
    assert!(again.is_duplicate());
    assert_eq!(again.id(), id);
}

#[tokio::test(start_paused = true)]
async fn absolute_times_and_an_id_of_ones_own() {
    let fixture = Fixture::new().await;
    let producer = fixture.connection.producer();
    let at: Timestamp = (SystemTime::now() + Duration::from_hours(1)).into();
    let id = MessageId::from_bytes([9; 16]);
    let later = at.after(Duration::from_secs(1));
    let publish = producer
        .publish(ONE)
        .deliver_at(at)
        .expires_at(later)
        .id(id);
    assert_eq!(publish.await.unwrap().id(), id);
    let message = fixture.get(id).await.unwrap().message;
    assert_eq!(message.deliver_at(), Some(at));
    assert_eq!(message.expires_at(), Some(later));
}

#[tokio::test(start_paused = true)]
async fn the_first_bad_value_is_the_error_of_the_await() {
    let fixture = Fixture::new().await;
    let producer = fixture.connection.producer();
    let cases = [
        (
            producer.publish(ONE).idempotency_key("").weight(0),
            "idempotency key",
        ),
        (
            producer.publish(ONE).weight(0).idempotency_key(""),
            "weight",
        ),
        (producer.publish(ONE).fairness_key("a\nb"), "fairness key"),
        (producer.publish(ONE).throttle_key(""), "throttle key"),
        (producer.publish(ONE).header("Bad Name", "v"), "header name"),
        (
            producer.publish(ONE).fingerprint(Fingerprint([0; 32])),
            "fingerprint",
        ),
    ];
    for (publish, what) in cases {
        let error = publish.await.unwrap_err();
        assert!(error.to_string().starts_with(what), "{error} for {what}");
    }
    assert_eq!(fixture.stats().await.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Large(String);
    impl forebay_worker::Task for Large {
        const KIND: &'static str = "large";
    }
    let fixture = Fixture::new().await;
    let task = Large("x".repeat(300_000));
    let error = fixture.connection.producer().prepare(task).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }));
}

#[tokio::test(start_paused = true)]
async fn prepared_messages_carry_the_headers_of_the_observers_and_go_in_one_batch() {
    struct Tracing;
    impl Observer for Tracing {
        fn observe(&self, _: &forebay_queue_core::Event<'_>) {}
        fn inject(&self, headers: &mut Headers) {
            headers.insert("traceparent", "00-1-2-01").unwrap();
        }
    }
    let fixture = Fixture::new().await;
    let observers: Observers = [Arc::new(Tracing) as Arc<dyn Observer>]
        .into_iter()
        .collect();
    let connection = Connection::open(
        Arc::clone(fixture.backend()),
        QueueName::from_static("numbers"),
        None,
        fixture.connection.environment().clone(),
        observers,
    )
    .await
    .unwrap();
    let producer = connection.producer();
    let prepared = producer.publish(ONE).fairness_key("ann").prepare().unwrap();
    assert_eq!(prepared.headers().get("traceparent"), Some("00-1-2-01"));
    let second = producer.prepare(ONE).unwrap();
    let ids = [prepared.id().unwrap(), second.id().unwrap()];
    assert!(ids[0] < ids[1]);
    let outcomes = producer.publish_all(vec![prepared, second]).await.unwrap();
    assert_eq!(
        outcomes
            .iter()
            .map(forebay_queue_core::PublishOutcome::id)
            .collect::<Vec<_>>(),
        ids
    );
}
