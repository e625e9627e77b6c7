//! Handlers are tested on the memory queue with paused time: hours of back-off pass at once. In a test it is
//! `#[tokio::test(start_paused = true)]`; an example has to start the runtime by itself.

mod memory;

use std::time::Duration;

use forebay_worker::{Failure, Meta, RetryPolicy, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Sync {
    account: u64,
}

impl Task for Sync {
    const KIND: &'static str = "sync";
}

/// The handler to be tested: it works at the fifth attempt.
async fn sync(
    task: Sync,
    meta: Meta,
    State(done): State<mpsc::UnboundedSender<u32>>,
) -> Result<(), Failure> {
    if meta.attempt() < 5 {
        Err(format!("account {} is locked", task.account))?;
    }
    done.send(meta.attempt())?;
    Ok(())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), WorkerError> {
    let real = std::time::Instant::now();
    let virtual_start = tokio::time::Instant::now();
    let queue = memory::queue("accounts").await?;
    let accounts = queue.producer();
    accounts
        .publish(Sync { account: 1 })
        .delay(Duration::from_hours(24))
        .await?;

    let (done, mut attempts) = mpsc::unbounded_channel::<u32>();
    Worker::new(queue)
        .retry(RetryPolicy::default().base(Duration::from_mins(10)))
        .state(done)
        .handle(sync)
        .run_until(async { assert_eq!(attempts.recv().await, Some(5)) })
        .await?;
    let passed = virtual_start.elapsed();
    println!("{passed:?} went by in {:?}", real.elapsed());
    assert!(passed >= Duration::from_hours(24));
    Ok(())
}
