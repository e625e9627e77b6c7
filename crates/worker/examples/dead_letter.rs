//! What cannot be done becomes a dead letter, with its history; once the reason is gone it is redriven.

mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_queue_core::{DeadLetterFilter, PageRequest};
use forebay_worker::{Connection, Failure, RetryPolicy, State, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Render {
    template: String,
}

impl Task for Render {
    const KIND: &'static str = "render";
}

type Fixed = Arc<AtomicBool>;

async fn render(task: Render, State(fixed): State<Fixed>) -> Result<(), Failure> {
    match task.template.as_str() {
        // Never: no use in trying again.
        "unknown" => Err(Failure::reject("there is no such template")),
        // Tried as often as allowed.
        "broken" if !fixed.load(Ordering::SeqCst) => Err("line 3: unexpected end")?,
        _ => Ok(()),
    }
}

fn worker(queue: &Connection, fixed: &Fixed) -> Worker {
    let policy = RetryPolicy::default()
        .base(Duration::from_millis(10))
        .max_attempts(3);
    Worker::new(queue.clone())
        .retry(policy)
        .state(Arc::clone(fixed))
        .handle(render)
}

/// Ends when nothing is scheduled, ready or running.
async fn idle(queue: &Connection) {
    let busy = async || queue.management().stats().await.is_ok_and(|s| s.live() > 0);
    while busy().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("pages").await?;
    let fixed = Fixed::default();
    for template in ["good", "broken", "unknown"] {
        let template = template.to_owned();
        queue.producer().publish(Render { template }).await?;
    }
    worker(&queue, &fixed).run_until(idle(&queue)).await?;

    let all = DeadLetterFilter::all();
    let page = queue
        .management()
        .dead_letters(&all, PageRequest::first(100))
        .await?;
    for letter in &page.items {
        println!("{} after {} attempts:", letter.message.id(), letter.attempt);
        for error in &*letter.errors {
            println!("  attempt {}: {}", error.attempt, error.error);
        }
    }
    assert_eq!(page.items.len(), 2);

    // Someone mends the template, and those that failed because of it go again, from attempt 1.
    fixed.store(true, Ordering::SeqCst);
    let broken = DeadLetterFilter {
        error_contains: Some("unexpected end".into()),
        ..all
    };
    let redriven = queue.management().redrive(&broken, 100).await?;
    assert_eq!(redriven.redriven, 1);
    worker(&queue, &fixed).run_until(idle(&queue)).await?;
    assert_eq!(queue.management().stats().await?.dead, 1);
    Ok(())
}
