use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Occurrence, Run, Simulation, Tally};

/// Many seeds, one after the other on every core.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// The first seed.
    pub start: u64,
    /// How many.
    pub seeds: u64,
    /// After so many failing seeds no more are begun.
    pub enough: usize,
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many seeds have run.
    pub runs: u64,
    /// How many lines their traces have together.
    pub records: u64,
    /// What happened how often in all of them.
    pub tally: Tally,
    /// What is wrong, seed by seed, as text.
    pub failures: Vec<String>,
}

/// A run takes milliseconds; one that takes this long turns in circles.
const HANGS: Duration = Duration::from_mins(1);
/// From so many seeds on, everything has to have happened.
const MANY: u64 = 200;

enum Report {
    Begins(usize, u64),
    Ends(usize, Box<anyhow::Result<Run>>),
}

impl Batch {
    /// Runs them. `step` is told after each seed. Ends early when enough seeds have failed.
    ///
    /// A seed that never ends is told as a failure; its thread is left behind.
    pub fn run(&self, mut step: impl FnMut(&Outcome)) -> Outcome {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let next = Arc::new(AtomicU64::new(self.start));
        let over = Arc::new(AtomicBool::new(false));
        let (outbox, inbox) = mpsc::channel();
        for place in 0..threads {
            let (next, halt, report) = (Arc::clone(&next), Arc::clone(&over), outbox.clone());
            let end = self.start + self.seeds;
            thread::spawn(move || work(place, end, &next, &halt, &report));
        }
        drop(outbox);
        let mut outcome = Outcome::default();
        let mut busy: BTreeMap<usize, (u64, Instant)> = BTreeMap::new();
        loop {
            match inbox.recv_timeout(Duration::from_secs(1)) {
                Ok(Report::Begins(place, seed)) => {
                    busy.insert(place, (seed, Instant::now()));
                }
                Ok(Report::Ends(place, run)) => {
                    let seed = busy.remove(&place).map_or(0, |(seed, _)| seed);
                    outcome.add(seed, *run);
                    step(&outcome);
                    if outcome.failures.len() >= self.enough {
                        over.store(true, Ordering::Relaxed);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let hangs = |(_, since): &&(u64, Instant)| since.elapsed() > HANGS;
            if let Some((seed, _)) = busy.values().find(hangs) {
                outcome.failures.push(format!(
                    "seed {seed} never ends\nto see it again: cargo xtask simulate --seed {seed}\n"
                ));
                break;
            }
        }
        outcome.missing(self.seeds);
        outcome
    }
}

fn work(
    place: usize,
    end: u64,
    next: &AtomicU64,
    halt: &AtomicBool,
    report: &mpsc::Sender<Report>,
) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || halt.load(Ordering::Relaxed) {
            return;
        }
        // Nobody listens any more when a seed hangs.
        let _ = report.send(Report::Begins(place, seed));
        let run = Box::new(Simulation::new(seed).run());
        let _ = report.send(Report::Ends(place, run));
    }
}

impl Outcome {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    fn add(&mut self, seed: u64, run: anyhow::Result<Run>) {
        self.runs += 1;
        match run {
            Ok(run) => {
                self.records += run.len() as u64;
                self.tally.add(&run.tally);
                if !run.is_clean() {
                    self.failures.push(run.to_string());
                }
            }
            Err(error) => self.failures.push(format!("seed {seed}: {error:#}\n")),
        }
    }

    /// What never happened in many seeds proves nothing.
    fn missing(&mut self, seeds: u64) {
        if seeds < MANY || !self.is_clean() {
            return;
        }
        let missing = self.tally.missing();
        if !missing.is_empty() {
            let names: Vec<_> = missing.into_iter().map(Occurrence::as_str).collect();
            let names = names.join(", ");
            self.failures
                .push(format!("never happened in {seeds} seeds: {names}\n"));
        }
    }
}
