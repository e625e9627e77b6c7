use std::num::NonZeroU32;
use std::time::Duration;

use crate::{Error, FairnessKey, State, StoredMessage, ThrottleKey, Timestamp, Weight};

/// How many deliveries a throttle key allows: a token bucket.
///
/// It holds at most `burst` tokens, begins full, and gains `tokens` of them every `per`, evenly. Every delivery, a repeated
/// one too, takes one from each of its message's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Throttle {
    tokens: u32,
    per: Duration,
    burst: u32,
}

impl Throttle {
    /// The most tokens, in a period and in a burst.
    pub const MAX_TOKENS: u32 = 1_000_000;
    /// The shortest period.
    pub const MIN_PERIOD: Duration = Duration::from_millis(1);
    /// The longest period.
    pub const MAX_PERIOD: Duration = Duration::from_hours(24);

    /// So many tokens in each period, and as many in a burst.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside 1 to 1,000,000 tokens and 1 ms to 24 h.
    pub fn new(tokens: u32, per: Duration) -> Result<Self, Error> {
        check_tokens("throttle: tokens", tokens)?;
        if !(Self::MIN_PERIOD..=Self::MAX_PERIOD).contains(&per) {
            return Err(Error::Invalid {
                what: "throttle: period",
                problem: format!("{} is out of range", humantime::format_duration(per)),
                allowed: "1ms to 24h",
            });
        }
        Ok(Self {
            tokens,
            per,
            burst: tokens,
        })
    }

    /// The most tokens that it holds.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside 1 to 1,000,000.
    pub fn with_burst(self, burst: u32) -> Result<Self, Error> {
        check_tokens("throttle: burst", burst)?;
        Ok(Self { burst, ..self })
    }

    /// Tokens gained in each period.
    pub const fn tokens(&self) -> u32 {
        self.tokens
    }

    /// The period.
    pub const fn per(&self) -> Duration {
        self.per
    }

    /// The most tokens that it holds.
    pub const fn burst(&self) -> u32 {
        self.burst
    }
}

fn check_tokens(what: &'static str, tokens: u32) -> Result<(), Error> {
    if (1..=Throttle::MAX_TOKENS).contains(&tokens) {
        return Ok(());
    }
    Err(Error::Invalid {
        what,
        problem: format!("{tokens} is out of range"),
        allowed: "1 to 1000000",
    })
}

/// A rule by which a queue hands out, changed while it runs and kept with the queue. `None` removes what was set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// The share of a fairness key. The latest says, this or a publish that names one.
    Weight(FairnessKey, Option<Weight>),
    /// The most leases of a fairness key that are alive at once.
    LeaseLimit(FairnessKey, Option<NonZeroU32>),
    /// The token bucket of a throttle key; without one it is unlimited. A bucket that was there keeps its tokens, as far
    /// as the new one holds them.
    Throttle(ThrottleKey, Option<Throttle>),
}

impl Rule {
    /// The most weights and lease limits, and the most buckets, of one queue.
    pub const MOST: usize = 100_000;
}

/// One fairness key of a queue at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStats {
    /// Which.
    pub key: FairnessKey,
    /// Its share.
    pub weight: Weight,
    /// The most leases that it may have, where that is limited.
    pub lease_limit: Option<NonZeroU32>,
    /// Not due yet.
    pub scheduled: u64,
    /// Waiting to be received, parked ones among them.
    pub ready: u64,
    /// Waiting for a token.
    pub parked: u64,
    /// Handed out.
    pub leased: u64,
}

/// One token bucket of a queue at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleStats {
    /// Which.
    pub key: ThrottleKey,
    /// Its rule.
    pub throttle: Throttle,
    /// Whole tokens in it.
    pub tokens: u32,
    /// Messages that wait for one.
    pub parked: u64,
}

/// Why a message is not being worked on. Several can hold at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is not due before this.
    Scheduled {
        /// When it is.
        until: Timestamp,
    },
    /// A bucket of its throttle keys is empty.
    Throttled {
        /// Whose.
        key: ThrottleKey,
        /// When that one may have a token for it: not before this.
        until: Timestamp,
    },
    /// Its fairness key has as many leases as it may.
    LeaseLimit {
        /// How many that is.
        limit: NonZeroU32,
    },
    /// Hand-outs are stopped.
    Paused,
    /// Others go first.
    Behind {
        /// How many of its fairness key.
        messages: u64,
    },
    /// Somebody has it.
    Leased {
        /// Until when, unless that is extended.
        until: Timestamp,
    },
}

/// Where a message is, and why it is not being worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Its state.
    pub state: State,
    /// Everything that it waits for; empty for one that has ended, and for one that is next of its fairness key.
    pub reasons: Vec<Reason>,
}

impl Explanation {
    /// What the message itself says, and whether its queue is paused. More is known only to whoever hands out.
    pub fn of(message: &StoredMessage, is_paused: bool) -> Self {
        let mut reasons = Vec::new();
        if let Some(until) = message.due_at {
            reasons.push(Reason::Scheduled { until });
        }
        if let Some(until) = message.leased_until {
            reasons.push(Reason::Leased { until });
        }
        if is_paused && matches!(message.state, State::Scheduled | State::Ready) {
            reasons.push(Reason::Paused);
        }
        Self {
            state: message.state,
            reasons,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_has_bounds() {
        let second = Duration::from_secs(1);
        let throttle = Throttle::new(5, second).unwrap();
        assert_eq!((throttle.tokens(), throttle.burst()), (5, 5));
        assert_eq!(throttle.with_burst(1).unwrap().burst(), 1);
        for bad in [
            Throttle::new(0, second),
            Throttle::new(1_000_001, second),
            Throttle::new(1, Duration::ZERO),
            Throttle::new(1, Duration::from_hours(25)),
            throttle.with_burst(0),
            throttle.with_burst(1_000_001),
        ] {
            assert!(matches!(bad, Err(Error::Invalid { .. })));
        }
    }

    #[test]
    fn a_rule_does_not_show_its_key() {
        let fair = FairnessKey::new("canary").unwrap();
        let throttle = ThrottleKey::new("canary").unwrap();
        for rule in [
            Rule::Weight(fair.clone(), Some(Weight::default())),
            Rule::LeaseLimit(fair, None),
            Rule::Throttle(throttle, None),
        ] {
            assert!(!format!("{rule:?}").contains("canary"));
        }
    }
}
