use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Capabilities, Delivery, Error, Nack, NewMessage, PublishOutcome, QueueName, Receipt,
    SettleOutcome,
};

/// One consumer session with one named queue.
///
/// Batch first: one message is a batch of one, and answer *i* belongs to input *i*. An empty batch answers
/// with an empty list. There are no default bodies: a decorator that forgets a method does not compile.
///
/// # Leases
/// A delivery belongs to this session until its lease ends (elsewhere the lease is called the visibility
/// timeout). The lease is a property of the queue, not of a delivery; long work lives by
/// [`extend`](Self::extend). The classic mistake is to hold a delivery past its lease and to go on
/// working: from then on someone else may have it, the late ack answers
/// [`LeaseLost`](SettleOutcome::LeaseLost), and the work was done twice.
///
/// # Closing
/// [`close`](Self::close), or dropping the last handle, releases every message that the session holds and
/// [`receive`](Self::receive) has not handed out yet. What was handed out has started: it is settled by its
/// holder before the close, or comes back when its lease ends.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// The queue's name.
    fn name(&self) -> &QueueName;

    /// The backend's name, such as `memory`.
    fn backend(&self) -> &'static str;

    /// What the backend can do.
    fn capabilities(&self) -> &Capabilities;

    /// How long a delivery lasts unless it is extended. It may change while the session lives.
    fn lease(&self) -> Duration;

    /// Adds messages: all of them are taken, or none.
    ///
    /// When the queue is full it waits up to `patience`, in order of arrival among the waiting callers of
    /// this process, then answers [`Error::Full`]. A known idempotency key answers
    /// [`Duplicate`](PublishOutcome::Duplicate) and takes no room.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::TooLarge`] (also for a batch larger than the whole queue), [`Error::Invalid`],
    /// [`Error::Unsupported`], [`Error::Closed`] and [`Error::Unavailable`]: nothing was published.
    /// [`Error::Interrupted`]: it may have been.
    ///
    /// # Cancel safety
    /// Dropping the future publishes the whole batch or nothing of it, and loses nothing that was accepted.
    async fn publish(
        &self,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error>;

    /// Takes up to `max` messages under a lease: as soon as there is one, or none after `wait`.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Unavailable`].
    ///
    /// # Cancel safety
    /// Dropping the future loses no message; at worst a lease has to run out.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error>;

    /// Ends deliveries: their messages are gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Interrupted`]: keep the leases alive and repeat the call.
    ///
    /// # Cancel safety
    /// Each message is acked or not; a repeated call answers `LeaseLost` for those that were.
    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error>;

    /// Gives messages back, each in its own way. Never refused for want of room.
    ///
    /// # Errors
    /// As [`Queue::ack`].
    ///
    /// # Cancel safety
    /// As [`Queue::ack`]: each message is in exactly one place.
    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error>;

    /// Lets leases last from now on. The receipts stay the same.
    ///
    /// # Errors
    /// As [`Queue::ack`].
    ///
    /// # Cancel safety
    /// Each lease is extended or not.
    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error>;

    /// Ends the session: every later verb answers [`Error::Closed`], a waiting one does so at once.
    /// Closing twice is fine.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when what was held could not be released; it then comes back by its lease.
    async fn close(&self) -> Result<(), Error>;
}
