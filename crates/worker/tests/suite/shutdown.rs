use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::ProcessOutcome;
use forebay_worker::{Drain, Failure, Shutdown, State};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, Number, Started, until};

async fn ten_seconds(_: Number, State(done): State<Arc<AtomicUsize>>) {
    sleep(Duration::from_secs(10)).await;
    done.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test(start_paused = true)]
async fn what_runs_comes_to_its_end() {
    let fixture = Fixture::new().await;
    fixture.publish_many(20).await;
    let done = Arc::<AtomicUsize>::default();
    let worker = fixture
        .worker()
        .state(Arc::clone(&done))
        .handle(ten_seconds);
    let worker = Started::new(worker);
    sleep(Duration::from_secs(3)).await;
    let began = Instant::now();
    let report = worker.stop().await;
    assert_eq!(
        began.elapsed().as_secs(),
        7,
        "as long as they need, no longer"
    );
    assert_eq!(
        (report.processed, report.released, report.abandoned),
        (4, 4, 0)
    );
    let stats = fixture.stats().await;
    assert_eq!((stats.ready, stats.leased), (16, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_stopped_in_time_and_its_message_given_back() {
    async fn hang(_: Number) {
        std::future::pending::<()>().await;
    }
    let fixture = Fixture::new().await;
    fixture.publish_many(2).await;
    let limit = Duration::from_secs(5);
    let worker = Started::new(fixture.worker().shutdown_timeout(limit).handle(hang));
    fixture.until("both run", |s| s.leased == 2).await;
    let began = Instant::now();
    let report = worker.stop().await;
    assert!(began.elapsed() <= limit, "{:?}", began.elapsed());
    assert!(
        began.elapsed() + Duration::from_secs(1) >= limit,
        "as long as there is time"
    );
    assert_eq!((report.released, report.abandoned), (2, 0));
    let stats = fixture.stats().await;
    assert_eq!(
        (stats.ready, stats.leased),
        (2, 0),
        "given back, not left to their leases"
    );
    assert_eq!(fixture.recorder.count(ProcessOutcome::Released), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_cannot_hold_it_up() {
    let fixture = Fixture::new().await;
    fixture.publish_many(3).await;
    fixture
        .faults
        .refuse_acks
        .store(usize::MAX, Ordering::SeqCst);
    let limit = Duration::from_secs(5);
    let worker = fixture.worker().shutdown_timeout(limit);
    let worker = Started::new(worker.handle(async |_: Number| {}));
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let report = worker.stop().await;
    assert!(
        began.elapsed() <= limit + Duration::from_millis(250),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((report.processed, report.abandoned), (0, 3));
    assert_eq!(fixture.recorder.processed().len(), 3, "each is told once");
    assert_eq!(fixture.recorder.count(ProcessOutcome::LeaseLost), 3);
}

#[tokio::test(start_paused = true)]
async fn a_drain_empties_the_queue_first() {
    let fixture = Fixture::new().await;
    fixture.publish_many(50).await;
    let quick = async |_: Number| sleep(Duration::from_millis(100)).await;
    let worker = fixture.worker().drain(Drain::Backlog).handle(quick);
    // The signal comes before anything ran.
    worker.run_until(std::future::ready(())).await.unwrap();
    assert_eq!(fixture.stats().await.live(), 0);
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 50);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_the_limit() {
    let fixture = Fixture::new().await;
    fixture.publish_many(1000).await;
    let limit = Duration::from_secs(10);
    let slow = async |_: Number| sleep(Duration::from_secs(1)).await;
    let worker = fixture
        .worker()
        .drain(Drain::Backlog)
        .shutdown_timeout(limit)
        .handle(slow);
    let worker = Started::new(worker);
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let report = worker.stop().await;
    assert!(began.elapsed() <= limit, "{:?}", began.elapsed());
    assert!(report.processed >= 28, "{report:?}");
    assert_eq!(report.abandoned, 0);
    let stats = fixture.stats().await;
    assert_eq!((stats.leased, stats.ready), (0, 1000 - report.processed));
}

#[tokio::test(start_paused = true)]
async fn a_long_handler_can_ask_whether_to_end() {
    async fn patient(_: Number, shutdown: Shutdown) -> Result<(), Failure> {
        assert!(!shutdown.is_requested());
        shutdown.requested().await;
        Err(Failure::snooze(Duration::ZERO))
    }
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    let worker = Started::new(fixture.worker().handle(patient));
    fixture.until("it runs", |s| s.leased == 1).await;
    let began = Instant::now();
    worker.stop().await;
    assert!(began.elapsed() < Duration::from_millis(100));
    assert_eq!(fixture.stats().await.ready, 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_at_shutdown_is_settled_before_the_end() {
    async fn fails(_: Number, shutdown: Shutdown) -> Result<(), Failure> {
        shutdown.requested().await;
        Err(Failure::retry_after("too late", Duration::from_secs(9)))
    }
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    let worker = Started::new(fixture.worker().handle(fails));
    fixture.until("it runs", |s| s.leased == 1).await;
    worker.stop().await;
    assert_eq!(fixture.stats().await.scheduled, 1);
}

#[test]
fn a_handler_that_never_waits_is_left_behind() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    let (report, took) = runtime.block_on(async {
        let fixture = Fixture::new().await;
        fixture.publish(1).await;
        let blocking = async |_: Number| {
            while std::hint::black_box(true) {
                std::thread::park();
            }
        };
        let limit = Duration::from_millis(500);
        let worker = Started::new(fixture.worker().shutdown_timeout(limit).handle(blocking));
        fixture.until("it runs", |s| s.leased == 1).await;
        until("it started", || fixture.recorder.dwells().len() == 1).await;
        let began = std::time::Instant::now();
        (worker.stop().await, began.elapsed())
    });
    // Its thread never ends: the runtime must not wait for it.
    runtime.shutdown_background();
    assert_eq!(report.abandoned, 1);
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_stop_before_it_starts_ends_at_once() {
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let worker = fixture.worker().handle(async |_: Number| {});
    worker.run(stop).await.unwrap();
    assert_eq!(fixture.stats().await.leased, 0);
}
