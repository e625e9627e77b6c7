use std::fmt;
use std::time::Duration;

use crate::Backoff;

/// When a failed attempt is followed by another: capped exponential back-off with full jitter, until the attempts
/// **or** the age run out.
///
/// A pure function: the same attempt, age and random number give the same answer.
///
/// ```
/// use std::time::Duration;
/// use forebay_worker::{Decision, RetryPolicy};
///
/// let policy = RetryPolicy::default().max_attempts(3);
/// let second = policy.decide(2, Duration::from_secs(5), 0.5);
/// assert_eq!(second, Decision::Retry { after: Duration::from_secs(1) });
/// assert!(matches!(policy.decide(3, Duration::from_secs(9), 0.5), Decision::DeadLetter(_)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    base: Duration,
    cap: Duration,
    max_attempts: u32,
    max_age: Duration,
}

/// What a [`RetryPolicy`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this long.
    Retry {
        /// The delay.
        after: Duration,
    },
    /// Give up.
    DeadLetter(GiveUp),
}

/// Why a [`RetryPolicy`] gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GiveUp {
    /// As many attempts as allowed have failed.
    Attempts {
        /// The most there may be.
        most: u32,
    },
    /// The message is as old as it may get.
    Age {
        /// The most there may be.
        most: Duration,
    },
}

impl Default for RetryPolicy {
    /// From 1 s to 15 min between attempts, at most 10 attempts and 72 h.
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_mins(15),
            max_attempts: 10,
            max_age: Duration::from_hours(72),
        }
    }
}

impl RetryPolicy {
    /// One attempt and no other.
    pub fn never() -> Self {
        Self::default().max_attempts(1)
    }

    /// The most that passes before the second attempt; it doubles with each further one.
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The most that ever passes between two attempts.
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// How many attempts there are at most. Zero counts as one.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// How old a message may be and still be tried again. Counts from the latest of published, due and redriven.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// What follows the failure of attempt `attempt` (from 1) of a message of this age, for a random number in
    /// `[0, 1)`.
    pub fn decide(&self, attempt: u32, age: Duration, unit_random: f64) -> Decision {
        match self.exhausted(attempt, age) {
            Some(reason) => Decision::DeadLetter(reason),
            None => Decision::Retry {
                after: Backoff::new(self.base, self.cap).delay(attempt, unit_random),
            },
        }
    }

    /// Why a message that failed is not tried again; `None` while it may be.
    pub fn exhausted(&self, attempt: u32, age: Duration) -> Option<GiveUp> {
        if attempt >= self.max_attempts {
            return Some(GiveUp::Attempts {
                most: self.max_attempts,
            });
        }
        self.too_old(age)
    }

    /// Whether a delivery with this attempt is one too many: its worker died each time before.
    pub(crate) const fn is_over(&self, attempt: u32) -> bool {
        attempt > self.max_attempts
    }

    /// Whether the age alone forbids another attempt.
    pub(crate) fn too_old(&self, age: Duration) -> Option<GiveUp> {
        (age >= self.max_age).then_some(GiveUp::Age { most: self.max_age })
    }
}

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempts { most } => write!(f, "no attempt is left of {most}"),
            Self::Age { most } => write!(f, "older than {most:?}"),
        }
    }
}
