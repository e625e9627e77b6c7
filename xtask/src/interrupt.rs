//! What has to be stopped when the chore itself is stopped.

use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::postgres::Postgres;

/// The exit code of a program that SIGINT ended, as shells report it.
const INTERRUPTED: i32 = 130;

/// Holds the private server and the running step. On Ctrl-C, SIGTERM and SIGHUP both are
/// ended; when dropped, the server is.
pub struct Guard {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    postgres: Option<Postgres>,
    step: Option<Pid>,
}

impl Guard {
    /// Takes over the handling of those signals. Only one guard can exist in a process.
    ///
    /// # Errors
    ///
    /// When the handler cannot be installed, or one is there already.
    pub fn install() -> Result<Self> {
        let held = Arc::new(Mutex::new(Held::default()));
        let shared = Arc::clone(&held);
        ctrlc::set_handler(move || {
            let mut held = lock(&shared);
            if let Some(step) = held.step.take() {
                // It may have ended by itself just now.
                let _ = killpg(step, Signal::SIGTERM);
            }
            drop(held.postgres.take());
            eprintln!("interrupted");
            process::exit(INTERRUPTED);
        })
        .context("the signal handler cannot be installed")?;
        Ok(Self { held })
    }

    /// Keeps a server running until the guard is dropped.
    pub fn keep(&self, postgres: Postgres) {
        lock(&self.held).postgres = Some(postgres);
    }

    /// Remembers the running step, the leader of a process group of its own; `None` when it
    /// has ended.
    pub fn watch(&self, step: Option<Pid>) {
        lock(&self.held).step = step;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(lock(&self.held).postgres.take());
    }
}

/// A poisoned lock still holds what has to be stopped.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
