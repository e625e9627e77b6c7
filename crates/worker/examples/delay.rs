//! A message that is delivered later, one that is cancelled before it is due, and one that expires.

mod memory;

use std::time::{Duration, Instant};

use forebay_queue_core::{CancelOutcome, CancelTarget, IdempotencyKey};
use forebay_worker::{State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Remind {
    text: String,
}

impl Task for Remind {
    const KIND: &'static str = "remind";
}

fn remind(text: &str) -> Remind {
    Remind { text: text.into() }
}

async fn say(task: Remind, State(said): State<mpsc::UnboundedSender<String>>) {
    println!("{}", task.text);
    let _ = said.send(task.text);
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("reminders").await?;
    let reminders = queue.producer();
    let delay = Duration::from_millis(500);
    let started = Instant::now();
    reminders
        .publish(remind("tea is ready"))
        .delay(delay)
        .await?;

    // Taken back by its key while it waits.
    reminders
        .publish(remind("never said"))
        .idempotency_key("reminder:7")
        .delay(Duration::from_hours(1))
        .await?;
    let key = CancelTarget::Key(IdempotencyKey::new("reminder:7")?);
    assert_eq!(
        queue.management().cancel(key).await?,
        CancelOutcome::Cancelled
    );

    // Worth nothing after 100 ms: it expires before any worker looks.
    reminders
        .publish(remind("too late"))
        .expires_in(Duration::from_millis(100))
        .await?;
    tokio::time::sleep(Duration::from_millis(150)).await;

    let (said, mut heard) = mpsc::unbounded_channel::<String>();
    Worker::new(queue.clone())
        .state(said)
        .handle(say)
        .run_until(async { assert_eq!(heard.recv().await.as_deref(), Some("tea is ready")) })
        .await?;
    assert!(started.elapsed() >= delay, "never before it is due");
    assert_eq!(queue.management().stats().await?.live(), 0);
    Ok(())
}
