use std::sync::Arc;

use async_trait::async_trait;

use crate::{Capabilities, Error, Guarantees, Management, Queue, QueueConfig, QueueName};

/// Whether a backend can be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It answers.
    Up,
    /// It does not, or not well enough; one line says why, without credentials.
    Down(String),
}

impl Health {
    /// Whether it is [`Health::Up`].
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

/// A store that holds named queues.
///
/// Dropping a future of this trait leaves the call done or not done, never half.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Its name, as in `QUEUE_BACKEND`.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> &Capabilities;

    /// Makes a queue.
    ///
    /// # Errors
    /// [`Error::QueueAlreadyExists`], [`Error::InvalidConfig`], [`Error::Unsupported`], [`Error::Unavailable`].
    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error>;

    /// Opens a consumer session. With `expected`, the queue must have that configuration.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`], [`Error::ConfigMismatch`], [`Error::Unavailable`].
    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error>;

    /// A handle that looks at a queue and steers it.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`], [`Error::Unavailable`].
    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error>;

    /// The configuration of a queue.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`], [`Error::Unavailable`].
    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error>;

    /// Changes a queue. Leases that are running keep their end; a smaller capacity refuses new messages until
    /// there is room and drops none.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`], [`Error::InvalidConfig`], [`Error::Unsupported`], [`Error::Unavailable`].
    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error>;

    /// The names of all queues, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn list(&self) -> Result<Vec<QueueName>, Error>;

    /// Removes a queue with everything in it. Its sessions answer [`Error::Closed`] from then on.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`], [`Error::Unavailable`].
    async fn delete(&self, name: &QueueName) -> Result<(), Error>;

    /// Whether it can be used now. Answers within a second.
    async fn health(&self) -> Health;

    /// Finds out what the store really guarantees here.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn probe(&self) -> Result<Guarantees, Error>;

    /// Ends all sessions and connections. Closing twice is fine.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when something could not be released.
    async fn close(&self) -> Result<(), Error>;
}
