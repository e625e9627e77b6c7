use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_queue_core::ProcessOutcome;
use forebay_worker::{Meta, State};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::fixture::{Fixture, Number, Started};

const LEASE: Duration = Duration::from_secs(1);

async fn slow(_: Number) {
    sleep(5 * LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_runs_and_is_fetched_ahead() {
    let fixture = Fixture::with_lease(LEASE).await;
    fixture.publish_many(50).await;
    let worker = Started::new(fixture.worker().concurrency(3).prefetch(5).handle(slow));
    for _ in 0..40 {
        sleep(LEASE).await;
        let stats = fixture.stats().await;
        assert!(stats.leased <= 8, "{stats:?}");
        assert!(stats.leased == 8 || stats.ready == 0, "{stats:?}");
    }
    assert!(fixture.faults.largest_receive.load(Ordering::SeqCst) <= 8);
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn without_prefetch_only_what_runs_is_held() {
    let fixture = Fixture::with_lease(LEASE).await;
    fixture.publish_many(10).await;
    let worker = Started::new(fixture.worker().concurrency(2).prefetch(0).handle(slow));
    sleep(3 * LEASE).await;
    assert_eq!(fixture.stats().await.leased, 2);
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_kept_alive_and_given_back_with_its_attempt_at_shutdown() {
    async fn seen(task: Number, meta: Meta, State(seen): State<Arc<Mutex<Vec<u32>>>>) {
        assert_eq!(meta.attempt(), 1, "number {}", task.number);
        seen.lock().push(task.number);
    }
    let fixture = Fixture::with_lease(LEASE).await;
    fixture.publish_many(10).await;
    let worker = Started::new(fixture.worker().concurrency(1).prefetch(6).handle(slow));
    // Longer than a lease: the six that wait would have come back.
    sleep(3 * LEASE).await;
    assert_eq!(fixture.stats().await.leased, 7);
    let report = worker.stop().await;
    assert_eq!(
        (report.processed, report.released, report.abandoned),
        (1, 6, 0)
    );
    assert_eq!(fixture.recorder.count(ProcessOutcome::Released), 6);
    let stats = fixture.stats().await;
    assert_eq!((stats.ready, stats.leased), (9, 0), "{stats:?}");
    let list = Arc::<Mutex<Vec<u32>>>::default();
    let worker = Started::new(fixture.worker().state(Arc::clone(&list)).handle(seen));
    fixture.until_empty().await;
    worker.stop().await;
    let mut numbers = list.lock().clone();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..10).collect::<Vec<_>>());
}
