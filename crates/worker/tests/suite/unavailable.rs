use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::ProcessOutcome;
use forebay_worker::{Backoff, Failure, Meta, RetryPolicy, State};
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, Number, Started, until};

/// Something that handlers depend on.
#[derive(Default)]
struct Dependency {
    down: AtomicBool,
    calls: AtomicUsize,
    running: AtomicUsize,
    most_at_once: AtomicUsize,
}

async fn depends(
    _: Number,
    meta: Meta,
    State(dependency): State<Arc<Dependency>>,
) -> Result<(), Failure> {
    assert_eq!(meta.attempt(), 1, "no attempt is spent");
    dependency.calls.fetch_add(1, Ordering::SeqCst);
    let running = dependency.running.fetch_add(1, Ordering::SeqCst) + 1;
    dependency.most_at_once.fetch_max(running, Ordering::SeqCst);
    sleep(Duration::from_millis(1)).await;
    dependency.running.fetch_sub(1, Ordering::SeqCst);
    if dependency.down.load(Ordering::SeqCst) {
        return Err(Failure::unavailable("the bank is down"));
    }
    Ok(())
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(30))
}

#[tokio::test(start_paused = true)]
async fn it_pauses_probes_one_by_one_and_goes_on() {
    let fixture = Fixture::with_lease(Duration::from_secs(2)).await;
    fixture.publish_many(40).await;
    let dependency = Arc::new(Dependency::default());
    dependency.down.store(true, Ordering::SeqCst);
    let worker = fixture
        .worker()
        .retry(RetryPolicy::default().max_attempts(2))
        .unavailable_backoff(backoff())
        .state(Arc::clone(&dependency))
        .handle(depends);
    let worker = Started::new(worker);
    until("it paused", || !fixture.recorder.pauses().is_empty()).await;
    let first = dependency.calls.load(Ordering::SeqCst);
    assert!(first <= 4, "the first {first} ran at once");
    dependency.most_at_once.store(0, Ordering::SeqCst);
    sleep(Duration::from_mins(2)).await;
    let probes = dependency.calls.load(Ordering::SeqCst) - first;
    assert!((5..60).contains(&probes), "{probes} probes in two minutes");
    assert!(
        dependency.most_at_once.load(Ordering::SeqCst) <= 3,
        "one probe at a time"
    );
    let pauses = fixture.recorder.pauses();
    assert!(pauses.iter().all(|p| *p <= Duration::from_secs(30)));
    assert!(
        pauses.iter().any(|p| *p > Duration::from_secs(5)),
        "they grow: {pauses:?}"
    );
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 0);
    assert_eq!(
        fixture.recorder.count(ProcessOutcome::Unavailable),
        first + probes
    );
    assert_eq!(fixture.recorder.resumed(), 0);

    dependency.down.store(false, Ordering::SeqCst);
    let back = Instant::now();
    fixture.until_empty().await;
    assert!(
        back.elapsed() <= Duration::from_secs(62),
        "{:?}",
        back.elapsed()
    );
    worker.stop().await;
    assert_eq!(fixture.recorder.resumed(), 1);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 40);
    assert_eq!(
        fixture.recorder.count(ProcessOutcome::LeaseLost),
        0,
        "held ones are kept alive"
    );
    assert!(fixture.dead_letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_while_it_is_paused() {
    let fixture = Fixture::new().await;
    fixture.publish(0).await;
    let dependency = Arc::new(Dependency::default());
    dependency.down.store(true, Ordering::SeqCst);
    let long = Backoff::new(Duration::from_hours(10), Duration::from_hours(10));
    let worker = fixture
        .worker()
        .prefetch(0)
        .unavailable_backoff(long)
        .state(Arc::clone(&dependency))
        .handle(depends);
    let worker = Started::new(worker);
    until("it paused", || !fixture.recorder.pauses().is_empty()).await;
    // The receive that was waiting when the pause began may still bring some; they are held, not started.
    sleep(Duration::from_secs(30)).await;
    fixture.publish_many(20).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(fixture.stats().await.ready, 20);
    assert_eq!(dependency.calls.load(Ordering::SeqCst), 1);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_age_ends_it() {
    let fixture = Fixture::new().await;
    fixture.publish(0).await;
    let dependency = Arc::new(Dependency::default());
    dependency.down.store(true, Ordering::SeqCst);
    let worker = fixture
        .worker()
        .retry(RetryPolicy::never().max_age(Duration::from_mins(10)))
        .unavailable_backoff(backoff())
        .state(Arc::clone(&dependency))
        .handle(depends);
    let worker = Started::new(worker);
    sleep(Duration::from_mins(10)).await;
    fixture.until("it is dead", |s| s.dead == 1).await;
    worker.stop().await;
    let dead = &fixture.dead_letters().await[0];
    let age = dead.ended_at.unwrap().since(dead.message.published_at());
    assert!(age >= Duration::from_mins(10), "{age:?}");
    let text = &dead.errors.last().unwrap().error;
    assert!(text.starts_with("the bank is down; older than"), "{text}");
    assert_eq!(fixture.recorder.count(ProcessOutcome::Dead), 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_in_another_way_ends_the_pause() {
    async fn moody(task: Number, State(calls): State<Arc<AtomicUsize>>) -> Result<(), Failure> {
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Failure::unavailable("down")),
            1 => Err(Failure::reject(format!("number {} is wrong", task.number))),
            _ => Ok(()),
        }
    }
    let fixture = Fixture::new().await;
    fixture.publish_many(5).await;
    let worker = fixture
        .worker()
        .concurrency(1)
        .state(Arc::<AtomicUsize>::default())
        .handle(moody);
    let worker = Started::new(worker);
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(fixture.recorder.resumed(), 1);
    assert_eq!(fixture.dead_letters().await.len(), 1);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 4);
}
