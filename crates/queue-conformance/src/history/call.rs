use std::time::Duration;

use forebay_queue_core::{
    CancelOutcome, CancelTarget, Delivery, Headers, Kind, MessageId, Moment, Nack, NackAction,
    NewMessage, Operation, ProcessOutcome, PublishOutcome, Receipt, Request, SettleOutcome,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::history::{Tag, written};

/// What was asked of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Publish these.
    Publish(Vec<Posted>),
    /// Receive.
    Receive {
        /// Up to so many.
        max: u64,
        /// Waiting so long.
        #[serde(with = "written::span")]
        wait: Duration,
    },
    /// Ack these receipts.
    Ack(Vec<Tag>),
    /// Nack these.
    Nack(Vec<GivenBack>),
    /// Extend these receipts.
    Extend(Vec<Tag>),
    /// Cancel this.
    Cancel(CancelBy),
    /// Pause the queue.
    Pause,
    /// Resume the queue.
    Resume,
    /// Purge the queue.
    Purge,
    /// Redrive dead letters; which, the core does not tell.
    Redrive,
    /// Delete dead letters; which, the core does not tell.
    DeleteDeadLetters,
    /// Close the session.
    Close,
}

/// What a queue answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// To a publish: one for each message.
    Published(Vec<Published>),
    /// To a receive.
    Delivered(Vec<Handed>),
    /// To an ack, nack or extend: one for each receipt.
    Settled(Vec<Settled>),
    /// To a cancel.
    Cancelled(Cancelled),
    /// To a redrive.
    Redriven {
        /// How many.
        redriven: u64,
        /// Whether it stopped because the queue was full.
        full: bool,
    },
    /// To a verb that answers with a count, or with nothing (0).
    Done(u64),
}

/// A message as it was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The id, where the sender made it.
    #[serde(
        with = "written::some_id",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<MessageId>,
    /// The kind.
    #[serde(with = "written::name")]
    pub kind: Kind,
    /// The payload's tag.
    pub payload: Tag,
    /// The headers' tag.
    pub headers: Tag,
    /// The idempotency key's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Tag>,
    /// The fingerprint's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Tag>,
    /// When it may be delivered at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver: Option<When>,
    /// From when on it is no longer delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<When>,
}

/// A time, absolute or from acceptance on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At this time.
    At(#[serde(with = "written::time")] Timestamp),
    /// This long after acceptance.
    After(#[serde(with = "written::span")] Duration),
}

/// What became of one published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Published {
    /// Accepted.
    Accepted(#[serde(with = "written::id")] MessageId),
    /// Its key is known.
    Duplicate {
        /// The first message's id.
        #[serde(with = "written::id")]
        id: MessageId,
        /// Whether the fingerprints agree.
        same_fingerprint: bool,
    },
}

/// A delivery as it was handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The message.
    #[serde(with = "written::id")]
    pub id: MessageId,
    /// Its kind.
    #[serde(with = "written::name")]
    pub kind: Kind,
    /// Its payload's tag.
    pub payload: Tag,
    /// Its headers' tag.
    pub headers: Tag,
    /// Its idempotency key's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Tag>,
    /// The attempt.
    pub attempt: u32,
    /// The receipt's tag.
    pub receipt: Tag,
    /// How long the lease lasts.
    #[serde(with = "written::span")]
    pub lease: Duration,
    /// When it was handed out, by the store's clock.
    #[serde(with = "written::time")]
    pub delivered_at: Timestamp,
    /// When it was accepted, by the store's clock.
    #[serde(with = "written::time")]
    pub published_at: Timestamp,
    /// When it was to be delivered at the earliest.
    #[serde(
        with = "written::some_time",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub deliver_at: Option<Timestamp>,
    /// From when on it is no longer delivered.
    #[serde(
        with = "written::some_time",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Timestamp>,
}

/// One nack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenBack {
    /// Which delivery.
    pub receipt: Tag,
    /// What is to become of it.
    pub action: Action,
}

/// The ways to give a message back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Again after this long, one attempt older.
    Retry(#[serde(with = "written::span")] Duration),
    /// Again after this long, with the attempt it had.
    Release(#[serde(with = "written::span")] Duration),
    /// To the dead letters.
    DeadLetter,
}

/// What became of one ack, nack or extend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// It took effect.
    Done,
    /// The lease had ended.
    LeaseLost,
}

/// Which message a cancel means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelBy {
    /// By id.
    Id(#[serde(with = "written::id")] MessageId),
    /// By the tag of its idempotency key.
    Key(Tag),
}

/// What became of a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancelled {
    /// It is gone.
    Cancelled,
    /// There is no such message.
    NotFound,
    /// It is leased.
    AlreadyRunning,
    /// It had ended before.
    AlreadyOver,
}

/// How a worker's processing of one delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Acked.
    Done,
    /// Given back for another attempt.
    Retry,
    /// Given back for later, attempt refunded.
    Snooze,
    /// Sent to the dead letters by the handler.
    Reject,
    /// Given back because something it depends on is down.
    Unavailable,
    /// Sent to the dead letters because attempts or age ran out.
    Dead,
    /// The lease was lost while it ran.
    LeaseLost,
    /// Given back at shutdown.
    Released,
}

impl Asked {
    /// `None` for an operation that this history does not know.
    pub(crate) fn of(operation: Operation, request: &Request<'_>) -> Option<Self> {
        let tags = |receipts: &[Receipt]| receipts.iter().map(Tag::from).collect();
        Some(match (operation, request) {
            (_, Request::Publish(messages)) => {
                Self::Publish(messages.iter().map(Posted::from).collect())
            }
            (_, Request::Receive { max, wait }) => Self::Receive {
                max: *max as u64,
                wait: *wait,
            },
            (Operation::Ack, Request::Receipts(receipts)) => Self::Ack(tags(receipts)),
            (Operation::Extend, Request::Receipts(receipts)) => Self::Extend(tags(receipts)),
            (_, Request::Nacks(nacks)) => Self::Nack(nacks.iter().map(GivenBack::from).collect()),
            (_, Request::Cancel(target)) => Self::Cancel(match target {
                CancelTarget::Id(id) => CancelBy::Id(*id),
                CancelTarget::Key(key) => CancelBy::Key(Tag::of(key.as_str().as_bytes())),
            }),
            (Operation::Pause, _) => Self::Pause,
            (Operation::Resume, _) => Self::Resume,
            (Operation::Purge, _) => Self::Purge,
            (Operation::Redrive, _) => Self::Redrive,
            (Operation::DeleteDeadLetters, _) => Self::DeleteDeadLetters,
            (Operation::Close, _) => Self::Close,
            _ => return None,
        })
    }
}

impl From<&Receipt> for Tag {
    fn from(receipt: &Receipt) -> Self {
        Self::of(receipt.as_bytes())
    }
}

impl From<&Headers> for Tag {
    fn from(headers: &Headers) -> Self {
        let mut text = Vec::with_capacity(headers.size() + 2 * headers.len());
        for (name, value) in headers.iter() {
            // Names have no NUL, and values may not have one: the pairs cannot run into each other.
            text.extend_from_slice(name.as_bytes());
            text.push(0);
            text.extend_from_slice(value.as_bytes());
            text.push(0);
        }
        Self::of(&text)
    }
}

impl From<&NewMessage> for Posted {
    fn from(message: &NewMessage) -> Self {
        Self {
            id: message.id(),
            kind: message.kind().clone(),
            payload: Tag::of(message.payload()),
            headers: message.headers().into(),
            key: message
                .idempotency_key()
                .map(|key| Tag::of(key.as_str().as_bytes())),
            fingerprint: message.fingerprint().map(|f| Tag::of(&f.0)),
            deliver: message.deliver().map(When::from),
            expires: message.expires().map(When::from),
        }
    }
}

impl From<Moment> for When {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::At(at) => Self::At(at),
            Moment::After(span) => Self::After(span),
        }
    }
}

impl From<&PublishOutcome> for Published {
    fn from(outcome: &PublishOutcome) -> Self {
        match *outcome {
            PublishOutcome::Accepted(id) => Self::Accepted(id),
            PublishOutcome::Duplicate {
                id,
                same_fingerprint,
            } => Self::Duplicate {
                id,
                same_fingerprint,
            },
        }
    }
}

impl From<&Delivery> for Handed {
    fn from(delivery: &Delivery) -> Self {
        let message = &delivery.message;
        Self {
            id: message.id(),
            kind: message.kind().clone(),
            payload: Tag::of(message.payload()),
            headers: message.headers().into(),
            key: message
                .idempotency_key()
                .map(|key| Tag::of(key.as_str().as_bytes())),
            attempt: delivery.attempt,
            receipt: (&delivery.receipt).into(),
            lease: delivery.lease,
            delivered_at: delivery.delivered_at,
            published_at: message.published_at(),
            deliver_at: message.deliver_at(),
            expires_at: message.expires_at(),
        }
    }
}

impl From<&Nack> for GivenBack {
    fn from(nack: &Nack) -> Self {
        Self {
            receipt: (&nack.receipt).into(),
            action: match nack.action {
                NackAction::Retry { after } => Action::Retry(after),
                NackAction::Release { after } => Action::Release(after),
                NackAction::DeadLetter => Action::DeadLetter,
            },
        }
    }
}

impl From<&SettleOutcome> for Settled {
    fn from(outcome: &SettleOutcome) -> Self {
        match outcome {
            SettleOutcome::Done => Self::Done,
            SettleOutcome::LeaseLost => Self::LeaseLost,
        }
    }
}

impl From<CancelOutcome> for Cancelled {
    fn from(outcome: CancelOutcome) -> Self {
        match outcome {
            CancelOutcome::Cancelled => Self::Cancelled,
            CancelOutcome::NotFound => Self::NotFound,
            CancelOutcome::AlreadyRunning => Self::AlreadyRunning,
            CancelOutcome::AlreadyOver => Self::AlreadyOver,
        }
    }
}

impl Ended {
    /// `None` for an outcome that this history does not know.
    pub(crate) fn of(outcome: ProcessOutcome) -> Option<Self> {
        Some(match outcome {
            ProcessOutcome::Done => Self::Done,
            ProcessOutcome::Retry => Self::Retry,
            ProcessOutcome::Snooze => Self::Snooze,
            ProcessOutcome::Reject => Self::Reject,
            ProcessOutcome::Unavailable => Self::Unavailable,
            ProcessOutcome::Dead => Self::Dead,
            ProcessOutcome::LeaseLost => Self::LeaseLost,
            ProcessOutcome::Released => Self::Released,
            _ => return None,
        })
    }
}
