use std::fmt;
use std::time::Duration;

use crate::{MessageId, Receipt};

/// What became of one message of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// Accepted and kept.
    Accepted(MessageId),
    /// The idempotency key is known: nothing was added.
    Duplicate {
        /// The id of the first message with this key.
        id: MessageId,
        /// Whether the fingerprints agree. Two absent ones do; one absent and one present do not.
        same_fingerprint: bool,
    },
}

impl PublishOutcome {
    /// The id of the message that stands for this publish: its own or the first one's.
    pub const fn id(&self) -> MessageId {
        match self {
            Self::Accepted(id) | Self::Duplicate { id, .. } => *id,
        }
    }

    /// Whether it was a duplicate.
    pub const fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate { .. })
    }
}

/// What became of one ack, nack or extend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleOutcome {
    /// It took effect.
    Done,
    /// The lease had ended: nothing was changed, and whoever holds the message now is not touched.
    LeaseLost,
}

/// What became of a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It was scheduled or ready and is gone.
    Cancelled,
    /// The queue knows no such message.
    NotFound,
    /// It is leased: it runs to its end.
    AlreadyRunning,
    /// It had ended before.
    AlreadyOver,
}

/// One negative acknowledgement.
#[derive(Clone, PartialEq, Eq)]
pub struct Nack {
    /// Which delivery.
    pub receipt: Receipt,
    /// What is to become of the message.
    pub action: NackAction,
    /// Why, for the history; kept with `Retry` and `DeadLetter`, cut to
    /// [`ErrorRecord::MAX_TEXT`](crate::ErrorRecord::MAX_TEXT) bytes.
    pub cause: Option<Box<str>>,
}

impl fmt::Debug for Nack {
    /// Leaves the cause out: it comes from an application.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nack")
            .field("receipt", &self.receipt)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

/// The three ways to give a message back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackAction {
    /// It failed: again after a while, one attempt older.
    Retry {
        /// How long to wait; zero is at once.
        after: Duration,
    },
    /// It was not tried: again after a while, with the attempt it had.
    Release {
        /// How long to wait; zero is at once.
        after: Duration,
    },
    /// It cannot be done: to the dead letters.
    DeadLetter,
}
