use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{
    CancelOutcome, CancelTarget, Delivery, Error, Headers, Kind, MessageId, Nack, NewMessage,
    PublishOutcome, QueueName, Receipt, Redriven, SettleOutcome,
};

/// Sees every operation and its outcome. Metrics, traces and the history of a test are observers.
///
/// Called in the path of the operation: it must be quick and must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);

    /// Adds headers to a message that is about to be published, such as `traceparent`.
    fn inject(&self, headers: &mut Headers) {
        let _ = headers;
    }
}

/// A number that ties the end of a call to its beginning; unique within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

impl CallId {
    /// The next number.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Where it happened.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The backend's name.
    pub backend: &'static str,
    /// The queue's name.
    pub queue: &'a QueueName,
}

/// A verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Publish.
    Publish,
    /// Receive.
    Receive,
    /// Ack.
    Ack,
    /// Nack.
    Nack,
    /// Extend.
    Extend,
    /// Cancel.
    Cancel,
    /// Pause.
    Pause,
    /// Resume.
    Resume,
    /// Purge.
    Purge,
    /// Redrive of dead letters.
    Redrive,
    /// Deletion of dead letters.
    DeleteDeadLetters,
    /// A change of a rule of handing out.
    SetRule,
    /// Close.
    Close,
}

impl Operation {
    /// The name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Receive => "receive",
            Self::Ack => "ack",
            Self::Nack => "nack",
            Self::Extend => "extend",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Purge => "purge",
            Self::Redrive => "redrive",
            Self::DeleteDeadLetters => "delete_dead_letters",
            Self::SetRule => "set_rule",
            Self::Close => "close",
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Publish these.
    Publish(&'a [NewMessage]),
    /// Receive up to so many, waiting so long.
    Receive {
        /// How many at most.
        max: usize,
        /// How long to wait.
        wait: Duration,
    },
    /// Ack or extend these.
    Receipts(&'a [Receipt]),
    /// Nack these.
    Nacks(&'a [Nack]),
    /// Cancel this.
    Cancel(&'a CancelTarget),
    /// Nothing but the verb.
    Plain,
}

/// What was answered.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Response<'a> {
    /// To a publish: outcome *i* belongs to a message of kind *i*.
    Published(&'a [PublishOutcome], &'a [Kind]),
    /// To a receive.
    Delivered(&'a [Delivery]),
    /// To an ack, nack or extend.
    Settled(&'a [SettleOutcome]),
    /// To a cancel.
    Cancelled(CancelOutcome),
    /// To a redrive.
    Redriven(Redriven),
    /// To a verb that answers with a count, or with nothing (0).
    Done(u64),
    /// The call failed. A failed publish names the kinds that it was about.
    Failed(&'a Error, &'a [Kind]),
    /// The caller dropped the future before there was an answer: the outcome is unknown.
    Dropped,
}

/// How the processing of one delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProcessOutcome {
    /// Acked.
    Done,
    /// Failed, and given back for another attempt.
    Retry,
    /// Given back by the handler for later, attempt refunded.
    Snooze,
    /// Sent to the dead letters by the handler.
    Reject,
    /// Given back because something that the handler depends on is down; attempt refunded.
    Unavailable,
    /// Sent to the dead letters because attempts or age ran out.
    Dead,
    /// The lease was lost while it ran.
    LeaseLost,
    /// Given back unstarted or unfinished at shutdown; attempt refunded.
    Released,
}

impl ProcessOutcome {
    /// All outcomes.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Retry,
        Self::Snooze,
        Self::Reject,
        Self::Unavailable,
        Self::Dead,
        Self::LeaseLost,
        Self::Released,
    ];

    /// The name in lower case, with underscores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry => "retry",
            Self::Snooze => "snooze",
            Self::Reject => "reject",
            Self::Unavailable => "unavailable",
            Self::Dead => "dead",
            Self::LeaseLost => "lease_lost",
            Self::Released => "released",
        }
    }
}

/// What an [`Observer`] is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call to a queue begins.
    Invoked {
        /// Which call.
        call: CallId,
        /// Where.
        source: Source<'a>,
        /// The verb.
        operation: Operation,
        /// What is asked for.
        request: Request<'a>,
    },
    /// A call to a queue has ended.
    Returned {
        /// Which call.
        call: CallId,
        /// Where.
        source: Source<'a>,
        /// The verb.
        operation: Operation,
        /// How long it took.
        elapsed: Duration,
        /// What was answered.
        response: Response<'a>,
    },
    /// A worker starts a handler.
    Started {
        /// Where.
        source: Source<'a>,
        /// For which delivery.
        delivery: &'a Delivery,
        /// From when it could have run (published, due or redriven) to now.
        dwell: Duration,
    },
    /// A handler has ended, or a delivery was settled without one.
    Processed {
        /// Where.
        source: Source<'a>,
        /// The kind.
        kind: &'a Kind,
        /// The message.
        id: MessageId,
        /// The attempt.
        attempt: u32,
        /// How it ended.
        outcome: ProcessOutcome,
        /// How long the handler ran; `None` when it was not started.
        elapsed: Option<Duration>,
    },
    /// A worker stops fetching for a while, because a handler said that something is down.
    Paused {
        /// Where.
        source: Source<'a>,
        /// For how long.
        pause: Duration,
    },
    /// A worker fetches again.
    Resumed {
        /// Where.
        source: Source<'a>,
    },
}

/// A list of observers; empty by default. Cheap to clone.
#[derive(Clone, Default)]
pub struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    /// No observers.
    pub fn none() -> Self {
        Self::default()
    }

    /// These observers and one more.
    #[must_use]
    pub fn with(&self, observer: Arc<dyn Observer>) -> Self {
        Self(self.0.iter().cloned().chain([observer]).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all of them.
    #[inline]
    pub fn observe(&self, event: &Event<'_>) {
        for observer in &*self.0 {
            observer.observe(event);
        }
    }

    /// Lets all of them add headers.
    pub fn inject(&self, headers: &mut Headers) {
        for observer in &*self.0 {
            observer.inject(headers);
        }
    }
}

impl FromIterator<Arc<dyn Observer>> for Observers {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Observer>>>(observers: I) -> Self {
        Self(observers.into_iter().collect())
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.0.len())
    }
}
