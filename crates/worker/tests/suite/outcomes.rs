use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use forebay_queue_core::{ProcessOutcome, State as MessageState};
use forebay_worker::{Failure, HandlerOptions, Meta, Outcome, RetryPolicy, State};
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, Number, Started};

type Counter = Arc<AtomicU32>;

#[tokio::test(start_paused = true)]
async fn done_removes_the_message_and_is_told_once() {
    let fixture = Fixture::new().await;
    let ids = fixture.publish_many(100).await;
    let worker = Started::new(fixture.worker().handle(async |_: Number| {}));
    fixture.until_empty().await;
    let report = worker.stop().await;
    assert_eq!(
        (report.processed, report.released, report.abandoned),
        (100, 0, 0)
    );
    let mut processed: Vec<_> = fixture.recorder.processed().iter().map(|p| p.id).collect();
    processed.sort_unstable();
    assert_eq!(processed, ids);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 100);
    assert_eq!(fixture.recorder.dwells().len(), 100);
    assert!(
        fixture
            .recorder
            .processed()
            .iter()
            .all(|p| p.elapsed.is_some())
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_is_retried_with_its_history_until_it_is_done() {
    async fn third_time(_: Number, meta: Meta, State(seen): State<Counter>) -> Result<(), Failure> {
        seen.fetch_add(1, Ordering::SeqCst);
        assert_eq!(u32::try_from(meta.failures()).unwrap() + 1, meta.attempt());
        if meta.attempt() < 3 {
            Err(format!("not attempt {}", meta.attempt()))?;
        }
        Ok(())
    }
    let fixture = Fixture::new().await;
    let seen = Counter::default();
    fixture.publish(1).await;
    let worker = Started::new(fixture.worker().state(Arc::clone(&seen)).handle(third_time));
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    let outcomes: Vec<_> = fixture
        .recorder
        .processed()
        .iter()
        .map(|p| (p.attempt, p.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            (1, ProcessOutcome::Retry),
            (2, ProcessOutcome::Retry),
            (3, ProcessOutcome::Done)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_waits_exactly_that_long() {
    async fn once(_: Number, meta: Meta) -> Result<(), Failure> {
        match meta.attempt() {
            1 => Err(Failure::retry_after("slow down", Duration::from_mins(1))),
            _ => Ok(()),
        }
    }
    let fixture = Fixture::new().await;
    let id = fixture.publish(1).await;
    let start = Instant::now();
    let worker = Started::new(fixture.worker().handle(once));
    fixture.until("it is scheduled", |s| s.scheduled == 1).await;
    let stored = fixture.get(id).await.unwrap();
    assert_eq!(stored.errors.len(), 1);
    assert_eq!(&*stored.errors[0].error, "slow down");
    fixture.until_empty().await;
    let took = start.elapsed();
    assert!((60..61).contains(&took.as_secs()), "{took:?}");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reject_is_a_dead_letter_at_once() {
    let fixture = Fixture::new().await;
    let id = fixture.publish(1).await;
    let rejecting =
        async |_: Number| -> Result<(), Failure> { Err(Failure::reject("no such user")) };
    let worker = Started::new(fixture.worker().handle(rejecting));
    fixture.until("it is dead", |s| s.dead == 1).await;
    worker.stop().await;
    let dead = &fixture.dead_letters().await[0];
    assert_eq!((dead.message.id(), dead.attempt), (id, 1));
    assert_eq!(dead.state, MessageState::Dead);
    assert_eq!(&*dead.errors.last().unwrap().error, "no such user");
    assert_eq!(fixture.recorder.count(ProcessOutcome::Reject), 1);
}

#[tokio::test(start_paused = true)]
async fn snooze_spends_no_attempt() {
    async fn later(_: Number, meta: Meta, State(seen): State<Counter>) -> Result<Outcome, Failure> {
        assert_eq!(meta.attempt(), 1);
        match seen.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Outcome::Snooze {
                after: Duration::from_mins(5),
            }),
            1 => Err(Failure::snooze(Duration::from_mins(5))),
            _ => Ok(Outcome::Done),
        }
    }
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    let start = Instant::now();
    let seen = Counter::default();
    let worker = fixture
        .worker()
        .retry(RetryPolicy::never())
        .state(Arc::clone(&seen))
        .handle(later);
    let worker = Started::new(worker);
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(start.elapsed().as_secs(), 600);
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Snooze), 2);
}

#[tokio::test(start_paused = true)]
async fn age_ends_retries_too() {
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    let policy = RetryPolicy::default()
        .max_attempts(1_000_000)
        .max_age(Duration::from_mins(10));
    let options = HandlerOptions::new().retry(policy);
    let failing = async |_: Number| -> Result<(), Failure> { Err("never")? };
    let worker = Started::new(fixture.worker().handle_with(failing, options));
    sleep(Duration::from_mins(10)).await;
    fixture.until("it is dead", |s| s.dead == 1).await;
    worker.stop().await;
    let dead = &fixture.dead_letters().await[0];
    let age = dead.ended_at.unwrap().since(dead.message.published_at());
    assert!(age >= Duration::from_mins(10), "{age:?}");
    let text = &dead.errors.last().unwrap().error;
    assert!(text.starts_with("never; older than"), "{text}");
}
