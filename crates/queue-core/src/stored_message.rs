use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Error, ErrorRecord, Message, Timestamp};

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Not due yet.
    Scheduled,
    /// Waiting to be received.
    Ready,
    /// Handed out.
    Leased,
    /// Acked, and kept for `retain_done`.
    Done,
    /// Cancelled, and kept for `retain_done`.
    Cancelled,
    /// Expired, and kept for `retain_done`.
    Expired,
    /// Among the dead letters.
    Dead,
}

impl State {
    /// All states, in the order of a message's life.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Ready,
        Self::Leased,
        Self::Done,
        Self::Cancelled,
        Self::Expired,
        Self::Dead,
    ];

    /// The name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| Error::Invalid {
                what: "state",
                problem: "it is none of the known states".to_owned(),
                allowed: "scheduled, ready, leased, done, cancelled, expired or dead",
            })
    }
}

/// A message as the queue sees it, looked at without leasing it.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    /// What was published.
    pub message: Arc<Message>,
    /// Where it is.
    pub state: State,
    /// Attempts begun so far: 0 before the first delivery.
    pub attempt: u32,
    /// When it is due, while scheduled.
    pub due_at: Option<Timestamp>,
    /// When the lease ends, while leased.
    pub leased_until: Option<Timestamp>,
    /// When it ended: acked, cancelled, expired or dead.
    pub ended_at: Option<Timestamp>,
    /// Failures, oldest first; at most [`ErrorRecord::MAX_COUNT`].
    pub errors: Vec<ErrorRecord>,
}
