use forebay_queue_core::{Error, Kind, QueueName};
use forebay_worker::{FromJob, Job, Requirements, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fixture::{Fixture, Number, Started};

async fn start(worker: Worker) -> WorkerError {
    let never = std::future::pending::<()>();
    worker.run_until(never).await.unwrap_err()
}

#[derive(Clone)]
struct Mailer;

#[tokio::test(start_paused = true)]
async fn a_missing_state_is_named_before_the_first_message() {
    let fixture = Fixture::new().await;
    let error = start(
        fixture
            .worker()
            .handle(async |_: Number, _: State<Mailer>| {}),
    )
    .await;
    let text = error.to_string();
    assert!(matches!(error, WorkerError::MissingState { .. }), "{text}");
    assert!(text.contains("number") && text.contains("Mailer"), "{text}");
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn an_argument_of_ones_own_can_need_a_state_too() {
    struct Sender;
    impl FromJob for Sender {
        fn from_job(_: &Job) -> Result<Self, forebay_worker::Failure> {
            Ok(Self)
        }
        fn requirements(needs: &mut Requirements) {
            needs.state::<Mailer>();
        }
    }
    let fixture = Fixture::new().await;
    let error = start(fixture.worker().handle(async |_: Number, _: Sender| {})).await;
    assert!(matches!(error, WorkerError::MissingState { .. }));
}

#[tokio::test(start_paused = true)]
async fn two_handlers_of_one_kind_are_refused() {
    let fixture = Fixture::new().await;
    let worker = fixture
        .worker()
        .handle(async |_: Number| {})
        .handle_raw(&Kind::from_static("number"), async |_: bytes::Bytes| {});
    let text = start(worker).await.to_string();
    assert!(
        text.contains("two handlers") && text.contains("\"number\""),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_no_name_is_refused_by_worker_and_producer() {
    #[derive(Serialize, Deserialize)]
    struct Bad;
    impl Task for Bad {
        const KIND: &'static str = "Bad Kind";
    }
    let fixture = Fixture::new().await;
    let error = start(fixture.worker().handle(async |_: Bad| {})).await;
    assert!(matches!(&error, WorkerError::InvalidKind { kind } if kind == "Bad Kind"));
    let published = fixture.connection.producer().publish(Bad).await;
    assert!(matches!(
        published,
        Err(Error::Invalid { what: "kind", .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn settings_out_of_bounds_are_refused() {
    let fixture = Fixture::new().await;
    assert!(matches!(
        start(fixture.worker()).await,
        WorkerError::NoHandler
    ));
    let worker = fixture.worker().handle(async |_: Number| {}).concurrency(0);
    let text = start(worker).await.to_string();
    assert!(text.contains("concurrency is 0"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_gone_is_an_error_and_a_store_that_is_down_is_waited_for() {
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    fixture.faults.refuse_opens.store(5, Ordering::SeqCst);
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    fixture.until_empty().await;
    worker.stop().await;

    fixture
        .faults
        .refuse_opens
        .store(usize::MAX, Ordering::SeqCst);
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(
        worker.stop().await.processed,
        0,
        "it can be stopped meanwhile"
    );

    fixture.faults.refuse_opens.store(0, Ordering::SeqCst);
    let name = QueueName::from_static("numbers");
    fixture.backend().delete(&name).await.unwrap();
    let error = start(fixture.worker().handle(async |_: Number| {})).await;
    assert!(matches!(
        error,
        WorkerError::Queue(Error::QueueNotFound { .. })
    ));
}
