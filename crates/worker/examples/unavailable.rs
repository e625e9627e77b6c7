//! Something that the handlers need is down: no attempt is spent, fetching pauses, one message after the other tries
//! whether it works again.

mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use forebay_queue_core::{Event, Observer};
use forebay_worker::{Backoff, Failure, Meta, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Pay {
    invoice: u32,
}

impl Task for Pay {
    const KIND: &'static str = "pay";
}

/// A bank that is down for the first calls.
#[derive(Default)]
struct Bank {
    calls: AtomicU32,
}

async fn pay(
    task: Pay,
    meta: Meta,
    State(bank): State<Arc<Bank>>,
    State(paid): State<mpsc::UnboundedSender<u32>>,
) -> Result<(), Failure> {
    assert_eq!(meta.attempt(), 1, "an outage spends no attempt");
    if bank.calls.fetch_add(1, Ordering::SeqCst) < 5 {
        return Err(Failure::unavailable("the bank is down"));
    }
    paid.send(task.invoice)?;
    Ok(())
}

/// Prints when fetching pauses and goes on.
struct Printer;

impl Observer for Printer {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Paused { pause, .. } => println!("paused for {pause:?}"),
            Event::Resumed { .. } => println!("it works again"),
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("payments").await?;
    for invoice in 0..20 {
        queue.producer().publish(Pay { invoice }).await?;
    }
    let bank = Arc::new(Bank::default());
    let (paid, mut invoices) = mpsc::unbounded_channel::<u32>();
    let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));
    Worker::new(queue)
        .concurrency(2)
        .unavailable_backoff(backoff)
        .observe(Arc::new(Printer))
        .state(Arc::clone(&bank))
        .state(paid)
        .handle(pay)
        .run_until(async {
            for _ in 0..20 {
                invoices.recv().await;
            }
        })
        .await?;
    assert_eq!(bank.calls.load(Ordering::SeqCst), 25, "20 paid, 5 in vain");
    Ok(())
}
