//! Publishing twice with one idempotency key makes one message, and the fingerprint tells a repetition from a mistake.

mod memory;

use forebay_queue_core::{Fingerprint, PublishOutcome};
use forebay_worker::{Meta, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Welcome {
    user: u64,
}

impl Task for Welcome {
    const KIND: &'static str = "welcome";
}

async fn welcome(task: Welcome, meta: Meta, State(keys): State<mpsc::UnboundedSender<String>>) {
    // Handlers run at least once: who is called from here should be given the key as well.
    let key = meta.idempotency_key().unwrap_or("none").to_owned();
    println!("user {} with key {key}", task.user);
    let _ = keys.send(key);
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("welcomes").await?;
    let welcomes = queue.producer();
    // A service would hash the request.
    let (request, another) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
    let publish = |fingerprint| {
        welcomes
            .publish(Welcome { user: 42 })
            .idempotency_key("welcome:42")
            .fingerprint(fingerprint)
    };

    let first = publish(request).await?;
    assert!(matches!(first, PublishOutcome::Accepted(_)));
    let id = first.id();
    // The answer was lost, so the request comes again: the same message.
    let again = publish(request).await?;
    let same_fingerprint = true;
    assert_eq!(
        again,
        PublishOutcome::Duplicate {
            id,
            same_fingerprint
        }
    );
    // Another request with the same key: a mistake of the caller, which can be told now.
    let same_fingerprint = false;
    let mistake = publish(another).await?;
    assert_eq!(
        mistake,
        PublishOutcome::Duplicate {
            id,
            same_fingerprint
        }
    );

    let (keys, mut seen) = mpsc::unbounded_channel::<String>();
    Worker::new(queue.clone())
        .state(keys)
        .handle(welcome)
        .run_until(seen.recv())
        .await?;
    assert!(seen.try_recv().is_err(), "it ran once");
    // Done, and still known for the window.
    assert!(publish(request).await?.is_duplicate());
    Ok(())
}
