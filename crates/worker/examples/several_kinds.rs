//! One worker, several kinds, each with rules of its own; one of them takes its payload as bytes.

mod memory;

use std::time::Duration;

use bytes::Bytes;
use forebay_queue_core::{Kind, NewMessage};
use forebay_worker::{HandlerOptions, Meta, RetryPolicy, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct SendEmail {
    to: String,
}

impl Task for SendEmail {
    const KIND: &'static str = "send-email";
}

#[derive(Serialize, Deserialize)]
struct Resize {
    width: u32,
}

impl Task for Resize {
    const KIND: &'static str = "resize";
}

type Log = mpsc::UnboundedSender<String>;

async fn send_email(task: SendEmail, State(log): State<Log>) {
    let _ = log.send(format!("an email to {}", task.to));
}

async fn resize(task: Resize, State(log): State<Log>) {
    let _ = log.send(format!("an image of width {}", task.width));
}

async fn import(payload: Bytes, meta: Meta, State(log): State<Log>) {
    let _ = log.send(format!("{} of {} bytes", meta.kind(), payload.len()));
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("chores").await?;
    let chores = queue.producer();
    let csv = Kind::from_static("import-csv");
    let to = "ann@example.com".to_owned();
    chores.publish(SendEmail { to }).await?;
    chores.publish(Resize { width: 640 }).await?;
    let import_message = NewMessage::new(csv.clone(), "a;b;c\n1;2;3\n");
    chores.publish_all(vec![import_message]).await?;

    let (log, mut lines) = mpsc::unbounded_channel::<String>();
    let once = HandlerOptions::new()
        .retry(RetryPolicy::never())
        .timeout(Duration::from_secs(5));
    Worker::new(queue)
        .state(log)
        .handle(send_email)
        .handle_with(resize, once)
        .handle_raw(&csv, import)
        .run_until(async {
            for _ in 0..3 {
                println!("{}", lines.recv().await.unwrap_or_default());
            }
        })
        .await
}
