//! A throttle key names a token bucket: no more messages of it leave than its rate allows, and nobody else waits for them.
//! Rates, weights and limits of leases are rules of the queue, and can be changed while it runs.

mod memory;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use forebay_queue_core::{FairnessKey, Rule, Throttle, ThrottleKey};
use forebay_worker::{State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Send {
    to: String,
}

impl Task for Send {
    const KIND: &'static str = "send";
}

async fn send(task: Send, State(log): State<mpsc::UnboundedSender<String>>) {
    let _ = log.send(task.to);
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("emails").await?;
    let emails = queue.producer();
    let slow = Throttle::new(20, Duration::from_secs(1))?.with_burst(2)?;
    let rule = Rule::Throttle(ThrottleKey::new("slow.example")?, Some(slow));
    queue.management().set_rule(&rule).await?;
    // And of one customer no more than four at once, however many handlers there are.
    let rule = Rule::LeaseLimit(FairnessKey::new("ann")?, NonZeroU32::new(4));
    queue.management().set_rule(&rule).await?;
    for to in ["slow.example", "other.example"] {
        for _ in 0..6 {
            let email = Send { to: to.to_owned() };
            emails
                .publish(email)
                .fairness_key("ann")
                .throttle_key(to)
                .await?;
        }
    }

    let (log, mut lines) = mpsc::unbounded_channel::<String>();
    let began = Instant::now();
    Worker::new(queue)
        .state(log)
        .handle(send)
        .run_until(async {
            for place in 0..12 {
                let to = lines.recv().await.unwrap_or_default();
                println!("{:>3} ms: {to}", began.elapsed().as_millis());
                // Two had tokens; then the others of the same customer go first.
                assert!(place < 8 || to == "slow.example");
            }
        })
        .await?;
    // Two at once, then four at 20 a second.
    assert!(began.elapsed() >= Duration::from_millis(200));
    Ok(())
}
