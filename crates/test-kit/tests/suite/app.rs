//! The application under test: two kinds of task, a mailer that can be told to fail, and a worker's set-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::{Error, PublishOutcome};
use forebay_worker::{Failure, Meta, Producer, RetryPolicy, State, Task, Worker};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SendEmail {
    pub(crate) to: String,
}

impl Task for SendEmail {
    const KIND: &'static str = "send-email";
}

/// A task without `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Resize {
    pub(crate) width: u32,
}

impl Task for Resize {
    const KIND: &'static str = "resize";
}

/// What a user's fake looks like.
#[derive(Clone, Default)]
pub(crate) struct Mailer(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sent: Mutex<Vec<String>>,
    failures: AtomicUsize,
    is_down: AtomicBool,
}

impl Mailer {
    /// So many next mails fail.
    pub(crate) fn fail(&self, count: usize) {
        self.0.failures.store(count, Ordering::SeqCst);
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        self.0.sent.lock().clone()
    }

    fn send(&self, to: &str) -> Result<(), Failure> {
        if self.0.is_down.load(Ordering::SeqCst) {
            return Err(Failure::unavailable("the mail server is down"));
        }
        let left = |n: usize| n.checked_sub(1);
        let failures = &self.0.failures;
        if failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
            .is_ok()
        {
            return Err("greylisted".into());
        }
        self.0.sent.lock().push(to.to_owned());
        Ok(())
    }
}

pub(crate) async fn send_email(
    email: SendEmail,
    meta: Meta,
    State(mailer): State<Mailer>,
) -> Result<(), Failure> {
    match email.to.as_str() {
        "nobody" => return Err(Failure::reject("no such address")),
        "later" if meta.failures() == 0 && mailer.sent().is_empty() => {
            mailer.send("first")?;
            return Err(Failure::snooze(Duration::from_hours(1)));
        }
        // tidy: sleep — the handler is slow, on a paused clock
        "slow" => tokio::time::sleep(Duration::from_secs(5)).await,
        // tidy: sleep — as above
        "very-slow" => tokio::time::sleep(Duration::from_mins(10)).await,
        "never" => std::future::pending().await,
        "round-and-round" => return Err(Failure::snooze(Duration::ZERO)),
        "exactly" if meta.attempt() == 1 => {
            return Err(Failure::retry_after("not yet", Duration::from_mins(5)));
        }
        "panic" => panic!("out of paper"),
        _ => {}
    }
    mailer.send(&email.to)
}

/// The application's own set-up of its worker.
pub(crate) fn worker(mailer: &Mailer) -> impl FnOnce(Worker) -> Worker + use<> {
    let mailer = mailer.clone();
    |worker| {
        worker
            .state(mailer)
            .handle(send_email)
            .handle(|_: Resize| async {})
            .retry(RetryPolicy::default().max_attempts(3))
    }
}

pub(crate) fn email(to: &str) -> SendEmail {
    SendEmail { to: to.to_owned() }
}

/// The application's own way to publish.
pub(crate) async fn sign_up(emails: &Producer, to: &str) -> Result<PublishOutcome, Error> {
    emails
        .publish(email(to))
        .idempotency_key(format!("welcome:{to}"))
        .delay(Duration::from_mins(1))
        .header("tenant", "acme")
        .await
}
