//! What each fail point of the worker does to it: nothing is lost, and nothing ends. One test, because fail points
//! belong to the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::failpoints::{
    AFTER_ACK, AFTER_HANDLER, AFTER_LEASE, BEFORE_ACK, BEFORE_EXTEND, BEFORE_HANDLER, BEFORE_NACK,
    BEFORE_SETTLE, SHUTDOWN,
};
use forebay_queue_core::{Environment, Observers, QueueConfig, QueueName, guarded};
use forebay_queue_memory::MemoryBackend;
use forebay_worker::{Connection, Failure, Meta, RetryPolicy, State, Task, Worker};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Number {
    number: u32,
}

impl Task for Number {
    const KIND: &'static str = "number";
}

type Seen = Arc<Mutex<Vec<u32>>>;

async fn note(task: Number, meta: Meta, State(seen): State<Seen>) -> Result<(), Failure> {
    tokio::time::sleep(Duration::from_millis(700)).await;
    if task.number.is_multiple_of(5) && meta.failures() == 0 {
        Err("so that there are nacks")?;
    }
    seen.lock().push(task.number);
    Ok(())
}

/// Works off fifty messages with the fail point set.
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
async fn survives(point: &str, set: impl FnOnce(&str)) {
    let environment = Environment::seeded(1);
    let backend = guarded(Arc::new(MemoryBackend::new(environment.clone())));
    let name = QueueName::from_static("numbers");
    let config = QueueConfig {
        lease: Duration::from_secs(1),
        ..QueueConfig::default()
    };
    let queue = Connection::open(backend, name, Some(config), environment, Observers::none())
        .await
        .unwrap();
    for number in 0..50 {
        queue.producer().publish(Number { number }).await.unwrap();
    }
    let seen = Seen::default();
    set(point);
    let worker = Worker::new(queue.clone())
        .retry(RetryPolicy::default().base(Duration::from_millis(10)))
        .concurrency(4)
        .state(Arc::clone(&seen))
        .handle(note);
    let idle = async {
        let limit = tokio::time::Instant::now() + Duration::from_mins(5);
        while queue.management().stats().await.unwrap().live() > 0 {
            assert!(tokio::time::Instant::now() < limit, "{point}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    worker.run_until(idle).await.unwrap();
    fail::remove(point);
    let stats = queue.management().stats().await.unwrap();
    assert_eq!((stats.live(), stats.dead), (0, 0), "{point}");
    let mut numbers = seen.lock().clone();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 50, "{point}");
}

#[tokio::test(start_paused = true)]
async fn no_fail_point_ends_a_worker_or_loses_a_message() {
    for point in [
        BEFORE_HANDLER,
        AFTER_HANDLER,
        BEFORE_SETTLE,
        SHUTDOWN,
        AFTER_LEASE,
        BEFORE_ACK,
        AFTER_ACK,
        BEFORE_NACK,
        BEFORE_EXTEND,
    ] {
        // A fault that never fires proves nothing.
        let passed = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&passed);
        let count = move || {
            counter.fetch_add(1, Ordering::SeqCst);
        };
        survives(point, |point| fail::cfg_callback(point, count).unwrap()).await;
        assert!(passed.load(Ordering::SeqCst) > 0, "{point} is passed");
        for action in ["3*return", "3*return(unavailable)", "3*panic", "3*sleep(5)"] {
            survives(point, |point| fail::cfg(point, action).unwrap()).await;
        }
    }
}
