//! A slot takes several quick jobs at once. That must not keep any of them from anyone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_queue_core::ProcessOutcome;
use forebay_worker::{Failure, State};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::fixture::{Fixture, Number, Started, until};

/// Jobs of numbers below this are quick: enough of them let a slot take many at once.
const QUICK: u32 = 200;

#[derive(Clone, Default)]
struct Book {
    ran: Arc<Mutex<Vec<u32>>>,
    open: Arc<Mutex<Option<Arc<Semaphore>>>>,
}

impl Book {
    fn ran(&self, number: u32) -> bool {
        self.ran.lock().contains(&number)
    }
}

/// The first job that is not quick waits for the gate; all others end at once.
async fn wait_once(task: Number, State(book): State<Book>) {
    book.ran.lock().push(task.number);
    if task.number == QUICK {
        let gate = book.open.lock().clone();
        let _entered = gate.unwrap().acquire_owned().await.unwrap();
    }
}

fn closed() -> (Book, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let book = Book::default();
    *book.open.lock() = Some(Arc::clone(&gate));
    (book, gate)
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_keeps_no_other_job_from_running() {
    let fixture = Fixture::new().await;
    fixture.publish_many(QUICK + 40).await;
    let (book, gate) = closed();
    let worker = fixture.worker().concurrency(2).prefetch(64);
    let worker = Started::new(worker.state(book.clone()).handle(wait_once));
    until("all others ran", || {
        book.ran.lock().len() == QUICK as usize + 40
    })
    .await;
    // All but the waiting one are settled too, although its slot has them behind it.
    fixture
        .until("one is left", |stats| stats.live() == 1)
        .await;
    assert_eq!(
        fixture.recorder.count(ProcessOutcome::Done),
        QUICK as usize + 39
    );
    gate.add_permits(1);
    fixture.until_empty().await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_finished_before_a_job_that_waits_is_settled_at_once() {
    let fixture = Fixture::new().await;
    fixture.publish_many(QUICK + 20).await;
    let (book, gate) = closed();
    let worker = fixture.worker().concurrency(1).prefetch(64);
    let worker = Started::new(worker.state(book.clone()).handle(wait_once));
    until("the waiting one has begun", || book.ran(QUICK)).await;
    fixture
        .until("those before it are gone", |stats| stats.live() == 20)
        .await;
    assert_eq!(book.ran.lock().len(), QUICK as usize + 1);
    gate.add_permits(1);
    fixture.until_empty().await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_waits_behind_a_job() {
    let fixture = Fixture::new().await;
    fixture.publish_many(QUICK + 20).await;
    let (book, gate) = closed();
    let worker = fixture.worker().concurrency(1).prefetch(64);
    let worker = Started::new(worker.state(book.clone()).handle(wait_once));
    until("the waiting one has begun", || book.ran(QUICK)).await;
    worker.stop.cancel();
    fixture
        .until("the others are given back", |stats| stats.ready == 19)
        .await;
    gate.add_permits(1);
    let report = worker.stop().await;
    assert_eq!((report.released, report.abandoned), (19, 0));
    assert_eq!(fixture.stats().await.live(), 19);
}

/// Every job says that something is down, once the quick ones are over.
async fn down_after_a_while(task: Number, State(book): State<Book>) -> Result<(), Failure> {
    book.ran.lock().push(task.number);
    if task.number < QUICK {
        return Ok(());
    }
    Err(Failure::unavailable("down"))
}

#[tokio::test(start_paused = true)]
async fn after_one_job_said_unavailable_none_behind_it_is_tried() {
    let fixture = Fixture::new().await;
    fixture.publish_many(QUICK + 40).await;
    let book = Book::default();
    let worker = fixture.worker().concurrency(1).prefetch(64);
    let pause = forebay_worker::Backoff::new(Duration::from_hours(1), Duration::from_hours(1));
    let worker = worker.unavailable_backoff(pause).state(book.clone());
    let worker = Started::new(worker.handle(down_after_a_while));
    until("one said so", || book.ran(QUICK)).await;
    fixture
        .until("the quick ones are gone", |stats| stats.live() == 40)
        .await;
    assert_eq!(book.ran.lock().len(), QUICK as usize + 1);
    worker.stop().await;
}

/// Blocks its thread for longer than a slot keeps jobs from others.
async fn block_once(task: Number, State(book): State<Book>) {
    book.ran.lock().push(task.number);
    if task.number >= QUICK {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(3) {
            std::hint::spin_loop();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_block_their_thread_are_all_run() {
    let fixture = Fixture::new().await;
    fixture.publish_many(QUICK + 40).await;
    let book = Book::default();
    let worker = fixture.worker().concurrency(2).prefetch(64);
    let worker = Started::new(worker.state(book.clone()).handle(block_once));
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(book.ran.lock().len(), QUICK as usize + 40);
}

/// Keeps its thread, without an await, until it may go on.
async fn hold_once(task: Number, State(book): State<Book>, State(go): State<Arc<AtomicBool>>) {
    book.ran.lock().push(task.number);
    if task.number == QUICK {
        while !go.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slot_has_in_its_hand_when_the_worker_ends_is_given_back() {
    let fixture = Fixture::new().await;
    fixture.publish_many(QUICK + 40).await;
    let (book, go) = (Book::default(), Arc::new(AtomicBool::new(false)));
    let worker = fixture.worker().concurrency(1).prefetch(64);
    let worker = worker.state(book.clone()).state(Arc::clone(&go));
    let worker = Started::new(worker.handle(hold_once));
    until("the one that holds has begun", || book.ran(QUICK)).await;
    worker.stop.cancel();
    fixture
        .until("what nobody had taken is given back", |stats| {
            stats.ready > 0
        })
        .await;
    go.store(true, Ordering::Release);
    let report = worker.stop().await;
    assert_eq!(report.abandoned, 0);
    let ran = book.ran.lock().len() as u64;
    assert_eq!(fixture.stats().await.ready, u64::from(QUICK) + 40 - ran);
}
