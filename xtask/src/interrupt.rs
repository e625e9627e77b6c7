//! What has to be stopped when the chore itself is stopped.

use std::any::Any;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The exit code of a program that SIGINT ended, as shells report it.
const INTERRUPTED: i32 = 130;

/// Holds the private servers and the running step. On Ctrl-C, SIGTERM and SIGHUP all are
/// ended; when dropped, the servers are.
pub struct Guard {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// A signal has arrived.
    is_ending: AtomicBool,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    servers: Vec<Box<dyn Any + Send>>,
    step: Option<Pid>,
}

impl Guard {
    /// Takes over the handling of those signals. Only one guard can exist in a process.
    ///
    /// # Errors
    ///
    /// When the handler cannot be installed, or one is there already.
    pub fn install() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        ctrlc::set_handler(move || {
            its.is_ending.store(true, Ordering::SeqCst);
            // Held until the end of the program, so that meanwhile nothing is started.
            let mut held = its.lock();
            if let Some(step) = held.step.take() {
                // It may have ended by itself just now.
                let _ = killpg(step, Signal::SIGTERM);
            }
            held.servers.clear();
            eprintln!("interrupted");
            process::exit(INTERRUPTED);
        })
        .context("the signal handler cannot be installed")?;
        Ok(Self { shared })
    }

    /// Starts a server, keeps it running until the guard is dropped, and returns what `tell`
    /// says about it. A signal that arrives during the start waits for its end, so the server
    /// is ended then too.
    ///
    /// # Errors
    ///
    /// What `start` says.
    pub fn keep<S: Send + 'static, T>(
        &self,
        start: impl FnOnce() -> Result<S>,
        tell: impl FnOnce(&S) -> T,
    ) -> Result<T> {
        let mut held = self.enter();
        let server = start()?;
        let told = tell(&server);
        held.servers.push(Box::new(server));
        Ok(told)
    }

    /// Starts the next step, the leader of a process group of its own. After a signal it does
    /// not return: the program is about to end, and nothing new may be started.
    ///
    /// # Errors
    ///
    /// When the command cannot be run.
    pub fn launch(&self, step: &mut Command) -> io::Result<Child> {
        let mut held = self.enter();
        let child = step.process_group(0).spawn()?;
        held.step = i32::try_from(child.id()).ok().map(Pid::from_raw);
        Ok(child)
    }

    /// Starts a step and waits for its end.
    ///
    /// # Errors
    ///
    /// When the command cannot be run.
    pub fn run(&self, step: &mut Command) -> io::Result<ExitStatus> {
        let status = self.launch(step)?.wait();
        self.watch(None);
        status
    }

    /// Remembers a running step that was not started here, the leader of a process group of
    /// its own; `None` when the step has ended.
    pub fn watch(&self, step: Option<Pid>) {
        self.shared.lock().step = step;
    }

    /// The lock, for whoever starts something. After a signal nobody gets it: the handler may
    /// still wait for the lock, and ends the program then.
    fn enter(&self) -> MutexGuard<'_, Held> {
        let held = self.shared.lock();
        if !self.shared.is_ending.load(Ordering::SeqCst) {
            return held;
        }
        drop(held);
        loop {
            thread::park();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.lock().servers.clear();
    }
}

impl Shared {
    /// A poisoned lock still holds what has to be stopped.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
