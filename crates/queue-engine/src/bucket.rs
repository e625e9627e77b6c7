use foldhash::fast::FixedState;
use forebay_queue_core::{Throttle, ThrottleKey, Timestamp};
use hashbrown::HashMap;

use crate::change::Level;
use crate::list::{List, WAITING};
use crate::ring::{Member, Ring, Tag};

/// A token bucket, and who waits for its tokens.
///
/// A message that is given tokens has them reserved until it is handed out. Tokens and reserved ones are never more than the
/// burst together, so whatever the queue does meanwhile no window sees more than rate × time + burst.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) key: ThrottleKey,
    /// `None` is a bucket that was removed and lets go of those who wait.
    pub(crate) throttle: Option<Throttle>,
    /// Tells it from another bucket in the same place.
    pub(crate) serial: u64,
    /// Tokens × the period in nanoseconds, so that none is lost by rounding.
    level: u128,
    /// When the level was that.
    as_of: Timestamp,
    pub(crate) reserved: u32,
    /// The fairness keys in turn, among those with messages that wait here.
    pub(crate) ring: Ring,
    pub(crate) waiting: HashMap<Member, Waiting, FixedState>,
    pub(crate) parked: u64,
    /// When it will be looked at, if it will.
    pub(crate) due: Option<Timestamp>,
}

/// The messages of one fairness key that wait for one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) line: List<WAITING>,
    pub(crate) tag: Tag,
    /// The lane had no room when there was a token for it: it is not in the ring, and will return.
    pub(crate) has_missed: bool,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self {
            line: List::new(),
            tag: Tag::default(),
            has_missed: false,
        }
    }
}

impl Bucket {
    pub(crate) fn new(key: ThrottleKey, throttle: Throttle, serial: u64, now: Timestamp) -> Self {
        let mut bucket = Self {
            key,
            throttle: Some(throttle),
            serial,
            level: 0,
            as_of: now,
            reserved: 0,
            ring: Ring::default(),
            waiting: HashMap::with_hasher(FixedState::default()),
            parked: 0,
            due: None,
        };
        bucket.level = bucket.most();
        bucket
    }

    /// As it was in an earlier life of the queue.
    pub(crate) fn restored(key: ThrottleKey, state: &Level, serial: u64) -> Self {
        let mut bucket = Self::new(key, state.throttle, serial, state.as_of);
        bucket.level = state.level.min(bucket.level);
        bucket
    }

    /// What has to be kept of it. Tokens that are reserved are not spent.
    pub(crate) fn state(&self) -> Option<Level> {
        let throttle = self.throttle?;
        Some(Level {
            throttle,
            level: self.level + u128::from(self.reserved) * unit(&throttle),
            as_of: self.as_of,
        })
    }

    /// Another rule: the tokens stay, as far as the new one holds them.
    pub(crate) fn set(&mut self, throttle: Option<Throttle>, now: Timestamp) {
        self.refill(now);
        if let (Some(old), Some(new)) = (self.throttle, throttle) {
            self.level = self.level * unit(&new) / unit(&old);
        }
        self.throttle = throttle;
        self.level = self.level.min(self.most());
    }

    pub(crate) fn refill(&mut self, now: Timestamp) {
        let elapsed = u128::from(now.as_nanos().saturating_sub(self.as_of.as_nanos()));
        self.as_of = self.as_of.max(now);
        if let Some(throttle) = &self.throttle {
            self.level += elapsed * u128::from(throttle.tokens());
            self.level = self.level.min(self.most());
        }
    }

    /// Whole tokens, as of the last refill.
    pub(crate) fn tokens(&self) -> u32 {
        let tokens = |throttle: &Throttle| self.level / unit(throttle);
        let tokens = self.throttle.as_ref().map_or(u128::MAX, tokens);
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }

    /// When there is a token, as far as is known.
    pub(crate) fn next_token(&self) -> Timestamp {
        let Some(throttle) = &self.throttle else {
            return self.as_of;
        };
        let missing = unit(throttle).saturating_sub(self.level);
        let nanos = missing.div_ceil(u128::from(throttle.tokens()));
        let at = u128::from(self.as_of.as_nanos()) + nanos;
        Timestamp::from_nanos(u64::try_from(at).unwrap_or(u64::MAX))
    }

    /// Takes a token for a message that is handed out.
    pub(crate) fn take(&mut self) {
        if let Some(throttle) = &self.throttle {
            self.level = self.level.saturating_sub(unit(throttle));
        }
    }

    /// Takes a token for a message that will be handed out.
    pub(crate) fn reserve(&mut self) {
        self.take();
        self.reserved += 1;
    }

    /// The message has been handed out.
    pub(crate) fn spend(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// The message will not be handed out.
    pub(crate) fn refund(&mut self) {
        self.spend();
        if let Some(throttle) = &self.throttle {
            self.level = (self.level + unit(throttle)).min(self.most());
        }
    }

    /// The fullest it may be now.
    fn most(&self) -> u128 {
        let most = |throttle: &Throttle| {
            u128::from(throttle.burst().saturating_sub(self.reserved)) * unit(throttle)
        };
        self.throttle.as_ref().map_or(0, most)
    }
}

/// What one token is in the level.
fn unit(throttle: &Throttle) -> u128 {
    throttle.per().as_nanos()
}
