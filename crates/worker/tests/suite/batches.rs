use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_queue_core::ProcessOutcome;
use forebay_worker::{Meta, State};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, Number, Started, until};

#[tokio::test(start_paused = true)]
async fn settlements_travel_together() {
    let fixture = Fixture::new().await;
    fixture.publish_many(1000).await;
    let worker = fixture.worker().concurrency(32);
    let worker = Started::new(worker.handle(async |_: Number| {}));
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(fixture.faults.acked.load(Ordering::SeqCst), 1000);
    let calls = fixture.faults.acks.load(Ordering::SeqCst);
    assert!(calls <= 100, "{calls} calls for 1000 messages");
}

#[tokio::test(start_paused = true)]
async fn a_finished_message_is_settled_at_once() {
    let fixture = Fixture::new().await;
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    for number in 0..10 {
        fixture.publish(number).await;
        let began = Instant::now();
        fixture.until_empty().await;
        assert!(
            began.elapsed() <= Duration::from_millis(4),
            "{:?}",
            began.elapsed()
        );
        // Not in step with anything.
        sleep(Duration::from_millis(37)).await;
    }
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_batch_gathers_while_one_is_in_flight() {
    let fixture = Fixture::new().await;
    fixture.faults.ack_millis.store(50, Ordering::SeqCst);
    fixture.publish_many(200).await;
    let worker = fixture.worker().concurrency(50);
    let worker =
        Started::new(worker.handle(async |_: Number| sleep(Duration::from_millis(5)).await));
    fixture.until_empty().await;
    worker.stop().await;
    let calls = fixture.faults.acks.load(Ordering::SeqCst);
    assert!(calls <= 12, "{calls} calls for 200 messages");
}

type Runs = Arc<Mutex<Vec<(u32, u32)>>>;

async fn note(task: Number, meta: Meta, State(runs): State<Runs>) {
    runs.lock().push((task.number, meta.attempt()));
}

#[tokio::test(start_paused = true)]
async fn an_ack_that_fails_is_repeated_under_a_living_lease() {
    let fixture = Fixture::with_lease(Duration::from_millis(100)).await;
    let runs = Runs::default();
    fixture.publish_many(3).await;
    // Several leases long, with the back-off of an outage.
    fixture.faults.refuse_acks.store(6, Ordering::SeqCst);
    let worker = fixture.worker().state(Arc::clone(&runs)).handle(note);
    let worker = Started::new(worker);
    let began = Instant::now();
    fixture.until_empty().await;
    assert!(
        began.elapsed() > Duration::from_millis(200),
        "{:?}",
        began.elapsed()
    );
    worker.stop().await;
    assert_eq!(runs.lock().len(), 3, "no work is done twice");
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 3);
}

#[tokio::test(start_paused = true)]
async fn an_ack_whose_answer_was_lost_is_not_told_as_a_lost_lease() {
    let fixture = Fixture::new().await;
    let runs = Runs::default();
    fixture.publish_many(3).await;
    fixture.faults.swallow_acks.store(1, Ordering::SeqCst);
    let worker = fixture.worker().state(Arc::clone(&runs)).handle(note);
    let worker = Started::new(worker);
    until("all are told", || fixture.recorder.processed().len() == 3).await;
    worker.stop().await;
    assert_eq!(runs.lock().len(), 3);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 3);
    assert_eq!(fixture.stats().await.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_nack_that_fails_is_repeated() {
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    fixture.faults.refuse_nacks.store(2, Ordering::SeqCst);
    let second = async |_: Number, meta: Meta| match meta.attempt() {
        1 => Err("once".into()),
        _ => Ok::<(), forebay_worker::Failure>(()),
    };
    let worker = Started::new(fixture.worker().handle(second));
    fixture.until_empty().await;
    worker.stop().await;
    let outcomes: Vec<_> = fixture
        .recorder
        .processed()
        .iter()
        .map(|p| p.outcome)
        .collect();
    assert_eq!(outcomes, [ProcessOutcome::Retry, ProcessOutcome::Done]);
}
