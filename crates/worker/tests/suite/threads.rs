//! On a runtime with several threads and in real time, where races would show.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::ProcessOutcome;
use forebay_worker::State;
use parking_lot::{Condvar, Mutex};
use tokio::time::timeout;

use crate::fixture::{Fixture, Number, Started, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_oversleeps() {
    async fn mixed(task: Number, State(done): State<Arc<AtomicUsize>>) {
        for _ in 0..task.number % 3 {
            tokio::task::yield_now().await;
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
    let fixture = Fixture::new().await;
    let done = Arc::<AtomicUsize>::default();
    let worker = fixture.worker().concurrency(8).prefetch(4);
    let worker = Started::new(worker.state(Arc::clone(&done)).handle(mixed));
    let bursts = async {
        let mut total = 0;
        for burst in 0..600 {
            let size = 1 + burst % 17;
            fixture.publish_many(size).await;
            total += size as usize;
            // Every burst is worked off before the next, so that the slots fall asleep between them.
            until("the burst is done", || done.load(Ordering::SeqCst) == total).await;
        }
    };
    timeout(Duration::from_mins(1), bursts).await.unwrap();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_block_their_thread_use_all_threads() {
    /// How many are inside, and the most that ever were.
    #[derive(Default)]
    struct Inside {
        counts: Mutex<(usize, usize)>,
        changed: Condvar,
    }

    async fn block(_: Number, State(inside): State<Arc<Inside>>) {
        let mut counts = inside.counts.lock();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        inside.changed.notify_all();
        // Waits for company, as one that computes would.
        let alone = |counts: &mut (usize, usize)| counts.1 < 2;
        let limit = Duration::from_millis(500);
        inside.changed.wait_while_for(&mut counts, alone, limit);
        counts.0 -= 1;
    }
    let fixture = Fixture::new().await;
    fixture.publish_many(20).await;
    let inside = Arc::<Inside>::default();
    let worker = fixture.worker().state(Arc::clone(&inside));
    let worker = Started::new(worker.handle(block));
    until("all ran", || {
        fixture.recorder.count(ProcessOutcome::Done) == 20
    })
    .await;
    worker.stop().await;
    assert_eq!(inside.counts.lock().1, 2, "both threads at once");
}
