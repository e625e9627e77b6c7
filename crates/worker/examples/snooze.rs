//! A handler that waits for something looks again later, without spending an attempt.

mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use forebay_worker::{Failure, Meta, RetryPolicy, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Serialize, Deserialize)]
struct AwaitTransfer {
    transfer: u64,
}

impl Task for AwaitTransfer {
    const KIND: &'static str = "await-transfer";
}

/// A transfer that arrives at the fourth look.
#[derive(Default)]
struct Transfers {
    looks: AtomicU32,
    arrived: Notify,
}

async fn look(
    task: AwaitTransfer,
    meta: Meta,
    State(transfers): State<Arc<Transfers>>,
) -> Result<(), Failure> {
    let look = transfers.looks.fetch_add(1, Ordering::SeqCst) + 1;
    println!(
        "look {look} at transfer {}, attempt {}",
        task.transfer,
        meta.attempt()
    );
    assert_eq!(meta.attempt(), 1);
    if look < 4 {
        return Err(Failure::snooze(Duration::from_millis(100)));
    }
    transfers.arrived.notify_one();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("transfers").await?;
    queue
        .producer()
        .publish(AwaitTransfer { transfer: 8 })
        .await?;
    let transfers = Arc::new(Transfers::default());
    Worker::new(queue)
        // Not even a policy without retries minds.
        .retry(RetryPolicy::never())
        .state(Arc::clone(&transfers))
        .handle(look)
        .run_until(transfers.arrived.notified())
        .await
}
