//! A handler that fails is tried again by a policy, and what an error says goes before it.

mod memory;

use std::time::{Duration, Instant};

use forebay_worker::{
    Failure, HandlerOptions, Meta, RetryPolicy, State, Task, Worker, WorkerError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Charge {
    cents: u64,
}

impl Task for Charge {
    const KIND: &'static str = "charge";
}

async fn charge(
    task: Charge,
    meta: Meta,
    State(done): State<mpsc::Sender<u32>>,
) -> Result<(), Failure> {
    match meta.attempt() {
        // Any error will do: `?` makes a failed attempt of it.
        1 => Err("connection reset")?,
        // The bank says when.
        2 => {
            let wait = Duration::from_millis(200);
            Err(Failure::retry_after("too many requests", wait))
        }
        attempt => {
            println!("charged {} cents in attempt {attempt}", task.cents);
            done.send(attempt).await?;
            Ok(())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("charges").await?;
    let charges = queue.producer();
    charges.publish(Charge { cents: 999 }).await?;

    let policy = RetryPolicy::default()
        .base(Duration::from_millis(50))
        .max_attempts(5);
    let (done, mut attempts) = mpsc::channel::<u32>(1);
    let started = Instant::now();
    Worker::new(queue)
        .state(done)
        .handle_with(charge, HandlerOptions::new().retry(policy))
        .run_until(async { assert_eq!(attempts.recv().await, Some(3)) })
        .await?;
    assert!(started.elapsed() >= Duration::from_millis(200));
    Ok(())
}
