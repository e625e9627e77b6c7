use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use forebay::{Failure, HandlerOptions, Kind, RetryPolicy, Task, Worker};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// What every payload has but those that no handler can read: a number, and how long the work takes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) number: u64,
    pub(crate) ms: u64,
    /// To make it larger.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) filler: String,
}

impl Task for Work {
    const KIND: &'static str = "work";
}

/// How long the handler works that ends its process: a crash comes in the middle of something.
const BEFORE_ABORT: Duration = Duration::from_millis(100);
/// Longer than any limit of an attempt.
const FOR_EVER: Duration = Duration::from_hours(1);

/// Adds the handlers of all kinds: `work` does it, and each of the others goes wrong in its own way. What can be done has
/// attempts of its own: it may be beside what ends its process, more than once.
pub(super) fn add(worker: Worker, for_work: RetryPolicy) -> Result<Worker> {
    Ok(worker
        .handle_with(work, HandlerOptions::new().retry(for_work))
        .handle_raw(&Kind::new("error")?, error)
        .handle_raw(&Kind::new("panic")?, panic)
        .handle_raw(&Kind::new("hang")?, hang)
        .handle_raw(&Kind::new("abort")?, abort))
}

async fn work(work: Work) {
    if work.ms > 0 {
        // tidy: sleep — this is the work
        sleep(Duration::from_millis(work.ms)).await;
    }
}

async fn error(_: Bytes) -> Result<(), Failure> {
    Err(Failure::retry("it cannot be done"))
}

#[expect(clippy::panic, reason = "this handler is there to panic")]
async fn panic(_: Bytes) {
    panic!("this handler panics");
}

async fn hang(_: Bytes) {
    // tidy: sleep — it hangs, and is cancelled
    sleep(FOR_EVER).await;
}

async fn abort(_: Bytes) {
    // tidy: sleep — the work before the crash
    sleep(BEFORE_ABORT).await;
    std::process::abort();
}
