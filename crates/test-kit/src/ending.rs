use std::fmt;
use std::time::Duration;

use forebay_queue_core::Timestamp;

/// One time that a message was handed to a handler, or ended in a worker without one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// Which attempt it was, from 1. A snoozed or released message comes back with the attempt it had.
    pub attempt: u32,
    /// When it began, by the kit's clock.
    pub at: Timestamp,
    /// How long the handler ran; `None` while it runs, and where it was not started or not seen to its end.
    pub took: Option<Duration>,
    /// How it ended.
    pub ending: Ending,
}

/// How one run of a message ended.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// It has not ended.
    Running,
    /// Acked.
    Done,
    /// A failed attempt, followed by another.
    Retried {
        /// How long after it.
        after: Duration,
        /// What the handler said, or that it panicked or ran out of time.
        cause: String,
    },
    /// Put off by the handler; the attempt does not count.
    Snoozed {
        /// For how long.
        after: Duration,
    },
    /// Given back because something that the handler needs is down; the attempt does not count.
    Unavailable {
        /// For how long.
        after: Duration,
    },
    /// Sent to the dead letters by the handler.
    Rejected {
        /// The handler's reason.
        cause: String,
    },
    /// Sent to the dead letters because attempts or age had run out.
    Dead {
        /// The last failure.
        cause: String,
    },
    /// The lease ended first: the worker crashed, or lost it.
    LeaseLost,
    /// Given back by a worker that stopped; the attempt does not count.
    Released,
}

impl Ending {
    /// Why, where it failed.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Retried { cause, .. } | Self::Rejected { cause } | Self::Dead { cause } => {
                Some(cause)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Done => f.write_str("done"),
            Self::Retried { after, cause } => write!(f, "retried after {after:?}: {cause}"),
            Self::Snoozed { after } => write!(f, "snoozed for {after:?}"),
            Self::Unavailable { after } => write!(f, "unavailable, given back for {after:?}"),
            Self::Rejected { cause } => write!(f, "rejected: {cause}"),
            Self::Dead { cause } => write!(f, "dead: {cause}"),
            Self::LeaseLost => f.write_str("lease lost"),
            Self::Released => f.write_str("released"),
        }
    }
}

impl fmt::Debug for Ending {
    /// As [`Display`](fmt::Display), but with the length of a cause instead of its text, which comes from an application.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.cause().map(str::len);
        match self {
            Self::Retried { after, .. } => f
                .debug_struct("Retried")
                .field("after", after)
                .field("cause_bytes", &bytes)
                .finish(),
            Self::Rejected { .. } => f
                .debug_struct("Rejected")
                .field("cause_bytes", &bytes)
                .finish(),
            Self::Dead { .. } => f.debug_struct("Dead").field("cause_bytes", &bytes).finish(),
            other => fmt::Display::fmt(other, f),
        }
    }
}
