use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::ProcessOutcome;
use forebay_worker::{Cancelled, State};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, Number, Started, until};

const LEASE: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_handler_of_ten_leases_is_not_delivered_twice() {
    async fn long(_: Number, State(runs): State<Arc<AtomicUsize>>) {
        runs.fetch_add(1, Ordering::SeqCst);
        sleep(10 * LEASE).await;
    }
    let fixture = Fixture::with_lease(LEASE).await;
    fixture.publish_many(100).await;
    let runs = Arc::<AtomicUsize>::default();
    let worker = fixture.worker().concurrency(20).state(Arc::clone(&runs));
    let worker = Started::new(worker.handle(long));
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(runs.load(Ordering::SeqCst), 100);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 100);
    assert!(fixture.recorder.processed().iter().all(|p| p.attempt == 1));
    // 20 leases travel together: far fewer calls than leases times thirds.
    let extends = fixture.faults.extends.load(Ordering::SeqCst);
    assert!((50 * 2..50 * 8).contains(&extends), "{extends} extensions");
}

/// Says when a handler began and was dropped.
#[derive(Default)]
struct Times {
    began: Mutex<Vec<Instant>>,
    dropped: Mutex<Vec<Instant>>,
}

struct Dropped(Arc<Times>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.lock().push(Instant::now());
    }
}

async fn hanging(_: Number, State(times): State<Arc<Times>>) {
    times.began.lock().push(Instant::now());
    let _dropped = Dropped(Arc::clone(&times));
    std::future::pending::<()>().await;
}

async fn cancelled_within_the_lease(cut: impl Fn(&Fixture)) {
    let fixture = Fixture::with_lease(LEASE).await;
    fixture.publish(1).await;
    let times = Arc::<Times>::default();
    let worker = fixture.worker().state(Arc::clone(&times)).handle(hanging);
    let worker = Started::new(worker);
    until("it runs", || times.began.lock().len() == 1).await;
    sleep(5 * LEASE).await;
    assert!(times.dropped.lock().is_empty(), "it is kept alive");
    cut(&fixture);
    let cut_at = Instant::now();
    until("it was cancelled", || !times.dropped.lock().is_empty()).await;
    // The last extension was at most half a lease old when it was cut.
    assert!(cut_at.elapsed() <= LEASE, "{:?}", cut_at.elapsed());
    fixture
        .until("it came back", |s| {
            s.ready + s.scheduled == 1 || s.leased == 1
        })
        .await;
    assert_eq!(fixture.recorder.count(ProcessOutcome::LeaseLost), 1);
    worker.stop.cancel();
    worker.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_cancelled_within_the_lease_when_extensions_fail() {
    cancelled_within_the_lease(|f| f.faults.refuse_extends.store(true, Ordering::SeqCst)).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_cancelled_within_the_lease_when_extensions_are_not_answered() {
    cancelled_within_the_lease(|f| f.faults.hang_extends.store(true, Ordering::SeqCst)).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_of_extensions_costs_no_lease() {
    let fixture = Fixture::with_lease(LEASE).await;
    fixture.publish(1).await;
    let times = Arc::<Times>::default();
    let worker = fixture.worker().state(Arc::clone(&times)).handle(hanging);
    let worker = Started::new(worker);
    until("it runs", || times.began.lock().len() == 1).await;
    for _ in 0..20 {
        fixture.faults.refuse_extends.store(true, Ordering::SeqCst);
        sleep(LEASE / 4).await;
        fixture.faults.refuse_extends.store(false, Ordering::SeqCst);
        sleep(LEASE / 4).await;
    }
    assert!(times.dropped.lock().is_empty());
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn work_outside_the_handler_learns_that_it_is_over() {
    async fn with_thread(_: Number, cancelled: Cancelled, State(told): State<Arc<AtomicUsize>>) {
        tokio::spawn(async move {
            assert!(!cancelled.is_cancelled());
            cancelled.cancelled().await;
            told.fetch_add(1, Ordering::SeqCst);
        });
        std::future::pending::<()>().await;
    }
    let fixture = Fixture::with_lease(LEASE).await;
    fixture.publish(1).await;
    let told = Arc::<AtomicUsize>::default();
    let worker = fixture
        .worker()
        .state(Arc::clone(&told))
        .handle(with_thread);
    let worker = Started::new(worker);
    sleep(5 * LEASE).await;
    assert_eq!(told.load(Ordering::SeqCst), 0);
    fixture.faults.refuse_extends.store(true, Ordering::SeqCst);
    until("it was told", || told.load(Ordering::SeqCst) >= 1).await;
    worker.kill().await;
}
