//! The program of the README, which lies in `readme/program.rs`, and what it needs to run to its end by itself.

use std::time::Duration;

use forebay::{Failure, Meta, State, Task, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tower::timeout::TimeoutLayer;

include!("readme/program.rs");

/// Told when a mail was sent.
static SENT: Notify = Notify::const_new();

/// Stands for the thing that sends mails.
#[derive(Clone)]
struct Mailer;

impl Mailer {
    fn new() -> Self {
        Self
    }

    async fn send(&self, to: &str, subject: &str, key: Option<&str>) -> std::io::Result<()> {
        tokio::task::yield_now().await; // a real one talks to a server here
        println!("sent {subject:?} to {to} (key {key:?})");
        SENT.notify_one();
        Ok(())
    }
}

/// A service uses `forebay::shutdown_signal`, which waits for SIGTERM; this waits for the mail.
async fn shutdown_signal() {
    SENT.notified().await;
}
