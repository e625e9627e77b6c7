use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::load::Load;
use crate::round::Round;

/// A bar on standard error, where that is a terminal. It looks at the tally from a thread of its own, ten times a second.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    shared: Arc<Shared>,
    watcher: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Messages of the rounds that have ended.
    before: AtomicU64,
    ended: AtomicBool,
}

impl Progress {
    /// Shows how far a run of so many steps is.
    pub fn start(steps: usize, load: &'static Load) -> Self {
        let shared = Arc::new(Shared::default());
        if !stderr().is_terminal() {
            return Self {
                bar: ProgressBar::hidden(),
                shared,
                watcher: None,
            };
        }
        let bar = ProgressBar::new(steps as u64 * u64::from(load.messages));
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} % {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let watcher = thread::spawn({
            let (bar, shared) = (bar.clone(), Arc::clone(&shared));
            move || {
                while !shared.ended.load(Ordering::Relaxed) {
                    let before = shared.before.load(Ordering::Relaxed);
                    bar.set_position(before + u64::from(load.tally.seen()));
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Self {
            bar,
            shared,
            watcher: Some(watcher),
        }
    }

    /// A round has ended.
    pub fn step(&self, round: &Round) {
        let messages = u64::from(round.messages);
        self.shared.before.fetch_add(messages, Ordering::Relaxed);
        let Round {
            subject,
            round,
            per_sec,
            ..
        } = round;
        self.bar
            .set_message(format!("round {round}: {subject} {per_sec:.0}/s"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            // It has nothing to fail with.
            let _ = watcher.join();
        }
        self.bar.finish_and_clear();
    }
}
