use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    ErrorRecord, FairnessKey, Fingerprint, Message, MessageId, State, Throttle, ThrottleKey,
    Timestamp, Weight,
};

/// The first half of the SHA-256 of an idempotency key: the key itself is not kept.
pub type KeyHash = [u8; 16];

/// One thing that a step has changed of what has to outlive the process.
///
/// Applied in order to what was there before, changes give what [`Restore`](crate::Restore) makes the same queue of. What
/// follows from time alone (a message that has come due, a bucket that has filled) is no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A message was accepted.
    Accepted(Live),
    /// What is known about a live message is this now.
    Updated(Live),
    /// A message has a lease. One that is extended ends first.
    Leased {
        /// The message.
        id: MessageId,
        /// Its lease.
        lease: Lease,
    },
    /// A lease is over, for whatever reason.
    LeaseEnded {
        /// The message.
        id: MessageId,
        /// When it would have ended.
        until: Timestamp,
    },
    /// A live message is gone without a trace.
    Removed(Arc<Message>),
    /// A live message has ended and is kept: a dead letter, or one of the others for as long as the queue keeps those.
    Ended {
        /// Counted apart for dead letters and for the others.
        number: u64,
        /// What is kept.
        over: Over,
    },
    /// An ended message is not kept any more.
    Forgotten {
        /// Its number.
        number: u64,
        /// How it had ended.
        state: State,
        /// The message.
        message: Arc<Message>,
    },
    /// A dead letter is live again.
    Redriven {
        /// Its number among the dead letters.
        number: u64,
        /// What it is now.
        live: Live,
    },
    /// An idempotency key stands for a message.
    KeySet {
        /// The key.
        hash: KeyHash,
        /// What it stands for.
        known: Known,
        /// What it stood for.
        before: Option<Known>,
    },
    /// The window of an idempotency key has ended.
    KeyForgotten(KeyHash),
    /// The weight or the lease limit of a fairness key.
    Share {
        /// The key.
        key: FairnessKey,
        /// What holds for it now.
        share: Share,
        /// The weight before.
        before: Weight,
    },
    /// A token bucket; `None` is one that is gone.
    Bucket {
        /// Its key.
        key: ThrottleKey,
        /// What is in it.
        level: Option<Level>,
    },
    /// Hand-outs are stopped, or go on.
    Paused(bool),
    /// How many dead letters were dropped in all because there were too many.
    DeadDropped(u64),
}

/// What is to be known about a live message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The message.
    pub message: Arc<Message>,
    /// Order of acceptance.
    pub sequence: u64,
    /// Attempts begun and not refunded.
    pub attempt: u32,
    /// Where it is, but for a lease.
    pub place: Place,
    /// Failures, oldest first.
    pub errors: Vec<ErrorRecord>,
    /// When it was last brought back from the dead letters.
    pub redriven_at: Option<Timestamp>,
}

/// Where a message is that nobody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Due at.
    Scheduled(Timestamp),
    /// Ready since.
    Ready(Timestamp),
}

/// Who holds a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When it ends.
    pub until: Timestamp,
    /// The fencing token of the delivery.
    pub token: u64,
    /// How long it was given for.
    pub length: Duration,
    /// The attempt that the delivery is.
    pub attempt: u32,
}

/// What is kept of a message that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// The message.
    pub message: Arc<Message>,
    /// How it ended.
    pub state: State,
    /// Attempts begun and not refunded.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// Failures, oldest first.
    pub errors: Vec<ErrorRecord>,
    /// When it was last brought back from the dead letters.
    pub redriven_at: Option<Timestamp>,
}

/// What an idempotency key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The message that was published first.
    pub id: MessageId,
    /// What the key stood for.
    pub fingerprint: Option<Fingerprint>,
    /// When its window ends.
    pub until: Timestamp,
}

/// The weight and the lease limit of a fairness key. The default is to be forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Its weight.
    pub weight: Weight,
    /// The most living leases.
    pub limit: Option<NonZeroU32>,
}

/// What is in a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its rule.
    pub throttle: Throttle,
    /// Tokens × the rule's period in nanoseconds, those reserved for messages that are not handed out yet among them.
    pub level: u128,
    /// When that was.
    pub as_of: Timestamp,
}

/// Changes since they were last taken, where anybody wants them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Option<Vec<Change>>);

impl Journal {
    /// From now on changes are written down.
    pub(crate) fn start(&mut self) {
        self.0.get_or_insert_default();
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Writes down what `change` makes, or does not make it.
    pub(crate) fn note(&mut self, change: impl FnOnce() -> Change) {
        if let Some(changes) = &mut self.0 {
            changes.push(change());
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Change> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
