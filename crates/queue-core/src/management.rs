use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    CancelOutcome, DeadLetterFilter, Error, Explanation, IdempotencyKey, KeyStats, MessageId, Page,
    PageRequest, QueueName, Redriven, Rule, State, StoredMessage, ThrottleStats,
};

/// Counts of one queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Not due yet.
    pub scheduled: u64,
    /// Waiting to be received.
    pub ready: u64,
    /// Handed out.
    pub leased: u64,
    /// Ended and still kept (acked, cancelled and expired together).
    pub done: u64,
    /// Dead letters.
    pub dead: u64,
    /// Dead letters that were dropped since the queue was opened, because there were too many.
    pub dead_dropped: u64,
    /// Idempotency keys remembered.
    pub idempotency_keys: u64,
    /// The most messages that fit.
    pub capacity: u64,
    /// How long the message that has been ready longest has been waiting.
    pub oldest_age: Option<Duration>,
    /// Whether hand-outs are stopped.
    pub paused: bool,
}

impl Stats {
    /// What counts against the capacity: scheduled, ready and leased.
    pub const fn live(&self) -> u64 {
        self.scheduled + self.ready + self.leased
    }
}

/// Which message a cancel means.
#[derive(Clone, PartialEq, Eq)]
pub enum CancelTarget {
    /// By id.
    Id(MessageId),
    /// By idempotency key, within its window.
    Key(IdempotencyKey),
}

impl fmt::Debug for CancelTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "Id({id})"),
            Self::Key(key) => key.fmt(f),
        }
    }
}

/// Looks at a queue and steers it. No consumer session: it holds nothing.
///
/// Every call may fail with [`Error::Unavailable`] or [`Error::Interrupted`], and with [`Error::QueueNotFound`]
/// after the queue was deleted. Repeating any of them is safe. Dropping a future leaves the call done or not
/// done, never half.
#[async_trait]
pub trait Management: Send + Sync + 'static {
    /// The queue's name.
    fn name(&self) -> &QueueName;

    /// The backend's name.
    fn backend(&self) -> &'static str;

    /// Counts by state and the oldest age.
    ///
    /// # Errors
    /// As said of the trait.
    async fn stats(&self) -> Result<Stats, Error>;

    /// One message by id, wherever it is; `None` if the queue does not know it (any more).
    ///
    /// # Errors
    /// As said of the trait.
    async fn get(&self, id: MessageId) -> Result<Option<StoredMessage>, Error>;

    /// The messages that would be received next, without leasing them; at most
    /// [`PageRequest::MAX_LIMIT`].
    ///
    /// # Errors
    /// As said of the trait.
    async fn peek(&self, limit: usize) -> Result<Vec<StoredMessage>, Error>;

    /// The messages in one state, in order of acceptance (dead letters: of death), page by page.
    ///
    /// # Errors
    /// As said of the trait; [`Error::Invalid`] for a cursor of another listing or a limit out of range.
    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error>;

    /// Takes a message back that has not been handed out.
    ///
    /// # Errors
    /// As said of the trait.
    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error>;

    /// Stops hand-outs on every handle within a second; publishing and running work go on. Idempotent.
    ///
    /// # Errors
    /// As said of the trait.
    async fn pause(&self) -> Result<(), Error>;

    /// Hand-outs go on. Idempotent.
    ///
    /// # Errors
    /// As said of the trait.
    async fn resume(&self) -> Result<(), Error>;

    /// Removes every scheduled and ready message; answers how many. Idempotency keys stay known.
    ///
    /// # Errors
    /// As said of the trait.
    async fn purge(&self) -> Result<u64, Error>;

    /// The dead letters that match, in order of death, page by page.
    ///
    /// # Errors
    /// As said of the trait; [`Error::Invalid`] for a bad cursor or limit.
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error>;

    /// Makes dead letters ready again, oldest first, at most `limit`. They start at attempt 1, keep their
    /// history and never expire.
    ///
    /// # Errors
    /// As said of the trait.
    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error>;

    /// Deletes dead letters, oldest first, at most `limit`; answers how many.
    ///
    /// # Errors
    /// As said of the trait.
    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error>;

    /// Sets or removes a rule of handing out, from the next hand-out on; what is leased stays leased.
    ///
    /// # Errors
    /// As said of the trait; [`Error::Unsupported`] where the backend lacks the capability, [`Error::Full`] over
    /// [`Rule::MOST`].
    async fn set_rule(&self, rule: &Rule) -> Result<(), Error>;

    /// The fairness keys that have live messages or a rule, in the order of their text, page by page.
    ///
    /// # Errors
    /// As said of the trait; [`Error::Unsupported`] where the backend tells no keys apart, [`Error::Invalid`] for a bad
    /// cursor or limit.
    async fn key_stats(&self, page: PageRequest) -> Result<Page<KeyStats>, Error>;

    /// The token buckets, in the order of their keys' text, page by page.
    ///
    /// # Errors
    /// As said of the trait; [`Error::Unsupported`] where the backend has none, [`Error::Invalid`] for a bad cursor or
    /// limit.
    async fn throttle_stats(&self, page: PageRequest) -> Result<Page<ThrottleStats>, Error>;

    /// Why a message is not being worked on; `None` if the queue does not know it (any more). May look at every ready
    /// message of its fairness key.
    ///
    /// # Errors
    /// As said of the trait.
    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error>;
}
