use std::time::Duration;

use forebay_queue_core::{Capabilities, Moment, QueueConfig, Throttle, Timestamp};

use crate::Timing;
use crate::model::ModelSettings;
use crate::model::operation::{Change, Rate, When};

/// What may be asked of the store under test, and how time is divided.
///
/// Operations happen at whole steps. Every span that a store has to keep is a third of a step longer than whole steps, and at
/// most two of them follow upon each other (a delay, then the window of the key), so nothing is due when an
/// operation happens: what a store does a little late is never seen half done.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a table of yes and no")]
pub(crate) struct Rules {
    pub(crate) exact: bool,
    pub(crate) paused: bool,
    pub(crate) ordering: bool,
    pub(crate) fairness: bool,
    pub(crate) lease_limits: bool,
    /// Only where the moments are compared: otherwise it is the store's affair for which message a token is meant.
    pub(crate) throttling: bool,
    pub(crate) retain_done: bool,
    /// The most steps of a delay; `None` where there are no delays.
    pub(crate) longest_delay: Option<u32>,
    /// The most messages or receipts in one call.
    pub(crate) batch: usize,
    step: Duration,
    /// A third of a step, or nothing where the moments themselves are compared.
    part: Duration,
    /// How late the operations of one step may be for the parts to be told apart.
    pub(crate) budget: Duration,
}

/// How long ended messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    Long,
    /// Only without expiry: when a store notices that a message has expired is its own affair, and the span counts from there.
    Short,
}

const LONGEST_DELAY: u32 = 6;
const BATCH: usize = 8;

impl Rules {
    pub(crate) fn new(settings: &ModelSettings, can: &Capabilities, timing: Timing) -> Self {
        let step = timing.delay.max(6 * timing.lateness);
        let third = step / 3;
        let rules = Self {
            exact: settings.exact,
            paused: timing.paused,
            ordering: can.ordering,
            fairness: can.fairness,
            lease_limits: can.lease_limits,
            throttling: can.throttling && settings.exact,
            retain_done: can.retain_done,
            longest_delay: None,
            batch: can.limits.batch.min(BATCH),
            step,
            part: if settings.exact {
                Duration::ZERO
            } else {
                third
            },
            budget: third.saturating_sub(timing.lateness + Duration::from_millis(2)),
        };
        let fits = |steps: &u32| {
            can.largest_delay
                .is_none_or(|most| rules.span(*steps) <= most)
        };
        Self {
            longest_delay: (0..=LONGEST_DELAY).rev().find(fits),
            ..rules
        }
    }

    /// Whether there is more to see of a fairness key than its messages.
    pub(crate) fn tells_keys_apart(&self) -> bool {
        self.fairness || self.lease_limits
    }

    /// So many steps after the begin.
    pub(crate) fn at(&self, steps: u32) -> Duration {
        self.step * steps
    }

    /// A span that ends between two steps.
    pub(crate) fn span(&self, steps: u32) -> Duration {
        self.step * steps + self.part
    }

    /// A token bucket.
    pub(crate) fn throttle(&self, rate: Rate) -> Option<Throttle> {
        let throttle = Throttle::new(rate.tokens, self.span(rate.steps)).ok()?;
        throttle.with_burst(rate.burst).ok()
    }

    /// Within a second every handle knows of a pause or a change; the steps that this takes where it takes time.
    pub(crate) fn settling(&self) -> u32 {
        if self.exact {
            return 0;
        }
        let steps = Duration::from_secs(1)
            .as_nanos()
            .div_ceil(self.step.as_nanos());
        u32::try_from(steps).unwrap_or(u32::MAX)
    }

    /// A moment as a message says it, at a step of a queue that began at `origin`.
    pub(crate) fn moment(&self, when: When, now: u32, origin: Timestamp) -> Moment {
        match when {
            When::In(steps) => Moment::After(self.span(steps)),
            When::At(steps) => {
                let at = now.saturating_add_signed(steps);
                Moment::At(origin.after(self.span(at)))
            }
        }
    }

    /// A time as both sides see it: its distance from the begin of the queue, where a store may be late without what is
    /// late.
    pub(crate) fn elapsed(&self, origin: Timestamp, at: Timestamp) -> Duration {
        // A store may keep whole milliseconds.
        let rounded = Duration::from_millis(1);
        if self.part.is_zero() {
            return at.since(origin);
        }
        let elapsed = at.after(rounded).since(origin);
        let parts = elapsed.as_nanos() / self.part.as_nanos();
        self.part * u32::try_from(parts).unwrap_or(u32::MAX)
    }

    /// The configuration that a sequence begins with: little of everything, so that every limit is met.
    pub(crate) fn config(&self, keep: Keep) -> QueueConfig {
        QueueConfig {
            lease: self.span(3),
            capacity: 7,
            idempotency_window: self.span(4),
            idempotency_limit: 5,
            dead_letter_retention: self.span(12),
            dead_letter_limit: 2,
            retain_done: match keep {
                Keep::Nothing => Duration::ZERO,
                Keep::Long => self.span(1_000),
                Keep::Short => self.span(3),
            },
            // Who of two that ended at the same moment is the older one, is not promised.
            retain_done_limit: if self.exact { 5 } else { 1_000 },
            dead_letter_queue: None,
        }
    }

    /// Whether messages may expire where ended messages are kept as this configuration says.
    pub(crate) fn may_expire(&self, config: &QueueConfig) -> bool {
        self.exact || config.retain_done != self.config(Keep::Short).retain_done
    }

    /// Changes a configuration.
    pub(crate) fn change(&self, config: &mut QueueConfig, change: Change) {
        match change {
            Change::Lease(steps) => config.lease = self.span(steps),
            Change::Capacity(capacity) => config.capacity = capacity,
            Change::Window(steps) => config.idempotency_window = self.span(steps),
        }
    }
}
