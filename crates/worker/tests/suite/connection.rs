use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Environment, Error, Observers, QueueConfig, QueueName};
use forebay_queue_memory::MemoryBackend;
use forebay_worker::Connection;

use crate::fixture::{Fixture, Number};

#[tokio::test(start_paused = true)]
async fn it_opens_or_creates_and_checks_the_configuration() {
    let environment = Environment::seeded(1);
    let backend = Arc::new(MemoryBackend::new(environment.clone()));
    let open = |config: Option<QueueConfig>| {
        Connection::open(
            backend.clone(),
            QueueName::from_static("emails"),
            config,
            environment.clone(),
            Observers::none(),
        )
    };
    assert!(matches!(open(None).await, Err(Error::QueueNotFound { .. })));
    let small = QueueConfig {
        capacity: 3,
        ..QueueConfig::default()
    };
    // Of many that come at once one creates it, the others find it.
    let many = (0..10).map(|_| open(Some(small.clone())));
    for opened in futures_util::future::join_all(many).await {
        assert_eq!(opened.unwrap().name().as_str(), "emails");
    }
    open(None).await.unwrap();
    let other = open(Some(QueueConfig::default())).await;
    assert!(matches!(
        other,
        Err(Error::ConfigMismatch {
            field: "capacity",
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_waited_for_as_long_as_the_connection_says() {
    let fixture = Fixture::with(QueueConfig {
        capacity: 1,
        ..QueueConfig::default()
    })
    .await;
    fixture.publish(1).await;
    let began = tokio::time::Instant::now();
    let connection = fixture.connection.clone();
    let outcome = connection.producer().publish(Number { number: 2 }).await;
    assert!(outcome.unwrap_err().is_full());
    assert_eq!(began.elapsed().as_millis(), 100);
    let patient = connection.with_publish_wait(Duration::from_secs(5));
    let outcome = patient.producer().publish(Number { number: 2 }).await;
    assert!(outcome.unwrap_err().is_full());
    let publish = patient.producer();
    let outcome = publish
        .publish(Number { number: 2 })
        .patience(Duration::ZERO);
    assert!(outcome.await.unwrap_err().is_full());
    assert_eq!(began.elapsed().as_millis(), 5100);
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_publishes_no_more() {
    let fixture = Fixture::new().await;
    fixture.connection.close().await.unwrap();
    let producer = fixture.connection.producer();
    let error = producer.publish(Number { number: 1 }).await.unwrap_err();
    assert!(error.is_closed(), "{error}");
}
