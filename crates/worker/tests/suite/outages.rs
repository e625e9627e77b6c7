use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::{Event, Observer, ProcessOutcome, QueueConfig, QueueName};
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, Number, Started, until};

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_until_it_works() {
    let fixture = Fixture::new().await;
    fixture
        .faults
        .refuse_receives
        .store(usize::MAX, Ordering::SeqCst);
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    fixture.publish_many(10).await;
    sleep(Duration::from_mins(5)).await;
    let tries = usize::MAX - fixture.faults.refuse_receives.load(Ordering::SeqCst);
    assert!((100..400).contains(&tries), "{tries} tries in five minutes");
    fixture.faults.refuse_receives.store(0, Ordering::SeqCst);
    let back = Instant::now();
    fixture.until_empty().await;
    assert!(
        back.elapsed() <= Duration::from_millis(2100),
        "{:?}",
        back.elapsed()
    );
    worker.stop().await;
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 10);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_is_a_call_that_failed() {
    let fixture = Fixture::new().await;
    fixture.faults.panic_receives.store(2, Ordering::SeqCst);
    fixture.publish_many(10).await;
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    fixture.until_empty().await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_is_a_call_that_failed() {
    let fixture = Fixture::with_lease(Duration::from_secs(5)).await;
    fixture.faults.hang_receives.store(2, Ordering::SeqCst);
    fixture.faults.hang_acks.store(2, Ordering::SeqCst);
    fixture.publish_many(10).await;
    let began = Instant::now();
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    fixture.until_empty().await;
    worker.stop().await;
    assert!(
        began.elapsed() < Duration::from_mins(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        fixture.recorder.count(ProcessOutcome::Done),
        10,
        "kept alive, done once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_was_deleted_and_made_again_is_opened_again() {
    let fixture = Fixture::new().await;
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    fixture.publish(1).await;
    fixture.until_empty().await;
    let name = QueueName::from_static("numbers");
    fixture.backend().delete(&name).await.unwrap();
    sleep(Duration::from_mins(1)).await;
    fixture
        .backend()
        .create(&name, &QueueConfig::default())
        .await
        .unwrap();
    let fresh = fixture.another("numbers").await;
    fresh
        .producer()
        .publish(Number { number: 2 })
        .await
        .unwrap();
    until("it ran", || {
        fixture.recorder.count(ProcessOutcome::Done) == 2
    })
    .await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_ends_nothing() {
    struct Panicking(AtomicUsize);
    impl Observer for Panicking {
        fn observe(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("an observer that panics");
        }
    }
    let fixture = Fixture::new().await;
    fixture.publish_many(10).await;
    let panicking = Arc::new(Panicking(AtomicUsize::new(0)));
    let observer: Arc<dyn Observer> = Arc::<Panicking>::clone(&panicking);
    let worker = fixture.worker().observe(observer);
    let worker = Started::new(worker.handle(async |_: Number| {}));
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(
        panicking.0.load(Ordering::SeqCst),
        20,
        "started and processed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_when_it_is_stopped_ends_nothing() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "it panics when it is dropped");
        }
    }
    let fixture = Fixture::with_lease(Duration::from_secs(1)).await;
    fixture.publish(13).await;
    let bomb = async |task: Number| {
        if task.number == 13 {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        }
    };
    let worker = fixture
        .worker()
        .concurrency(1)
        .timeout(Duration::from_millis(100));
    let worker = Started::new(worker.handle(bomb));
    sleep(Duration::from_millis(500)).await;
    fixture.publish(1).await;
    until("the other ran", || {
        fixture.recorder.count(ProcessOutcome::Done) == 1
    })
    .await;
    worker.stop().await;
}
