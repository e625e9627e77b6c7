//! Publishes a task and runs it: `cargo run -p forebay-worker --example quickstart`.

mod memory;

use forebay_worker::{Failure, Meta, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct SendEmail {
    to: String,
    subject: String,
}

impl Task for SendEmail {
    const KIND: &'static str = "send-email";
}

async fn send_email(
    email: SendEmail,
    meta: Meta,
    State(sent): State<mpsc::Sender<String>>,
) -> Result<(), Failure> {
    println!(
        "{:?} to {}, attempt {}",
        email.subject,
        email.to,
        meta.attempt()
    );
    sent.send(email.to).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("emails").await?;
    let emails = queue.producer();
    let (sent, mut inbox) = mpsc::channel::<String>(1);
    let worker = Worker::new(queue)
        .state(sent)
        .handle(send_email)
        .concurrency(64);

    emails
        .publish(SendEmail {
            to: "ann@example.com".into(),
            subject: "hi".into(),
        })
        .await?;

    // A service gives its shutdown signal here; this one ends when the email is sent.
    worker.run_until(inbox.recv()).await
}
