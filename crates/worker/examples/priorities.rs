//! Several queues in one worker: as long as the more urgent one has messages, the other waits.

mod memory;

use forebay_worker::{Meta, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Notify {
    number: u32,
}

impl Task for Notify {
    const KIND: &'static str = "notify";
}

async fn notify(task: Notify, meta: Meta, State(log): State<mpsc::UnboundedSender<String>>) {
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let _ = log.send(format!("{} {}", meta.queue(), task.number));
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let bulk = memory::queue("bulk").await?;
    let urgent = memory::queue("urgent").await?;
    for number in 0..50 {
        bulk.producer().publish(Notify { number }).await?;
    }
    let alarms = urgent.producer();

    let (log, mut lines) = mpsc::unbounded_channel::<String>();
    Worker::new(bulk)
        .queue(urgent, 10)
        .concurrency(1)
        .state(log)
        .handle(notify)
        .run_until(async {
            for place in 0..51 {
                let line = lines.recv().await.unwrap_or_default();
                if place == 9 {
                    let _ = alarms.publish(Notify { number: 112 }).await;
                }
                if line == "urgent 112" {
                    println!("the alarm came after {place} of 50 messages");
                    assert!(place < 15);
                }
            }
        })
        .await
}
