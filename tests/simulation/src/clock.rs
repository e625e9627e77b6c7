use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use forebay_queue_core::{Clock, Timestamp};
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z: every run begins then, so that ids and times are the same in each.
const ORIGIN: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// The store's clock: the runtime's paused time from a fixed date on, and what someone set it forward or back.
#[derive(Debug)]
pub(crate) struct SteppedClock {
    start: Instant,
    /// Nanoseconds.
    step: AtomicI64,
    /// The latest time that was told, nanoseconds.
    latest: AtomicU64,
}

impl SteppedClock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            step: AtomicI64::new(0),
            latest: AtomicU64::new(0),
        }
    }

    /// Sets it forward.
    pub(crate) fn forward(&self, span: Duration) {
        self.step.fetch_add(nanos(span), Ordering::Relaxed);
    }

    /// Sets it back.
    pub(crate) fn back(&self, span: Duration) {
        self.step.fetch_sub(nanos(span), Ordering::Relaxed);
    }

    /// Ends a step back: from now on it tells at least the latest time that it has told.
    pub(crate) fn catch_up(&self) {
        let latest = Timestamp::from_nanos(self.latest.load(Ordering::Relaxed));
        self.forward(latest.since(self.now()));
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        let step = self.step.load(Ordering::Relaxed);
        let now = ORIGIN
            .after(self.start.elapsed())
            .as_nanos()
            .saturating_add_signed(step);
        self.latest.fetch_max(now, Ordering::Relaxed);
        Timestamp::from_nanos(now)
    }
}

/// The same clock as a queue takes it: time that runs backwards stands still.
#[derive(Debug)]
pub(crate) struct Steady(pub(crate) std::sync::Arc<SteppedClock>);

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        let now = self.0.now();
        now.max(Timestamp::from_nanos(self.0.latest.load(Ordering::Relaxed)))
    }
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}
