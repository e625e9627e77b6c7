use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Backend, Environment, Error, Management, Observers, Queue, QueueConfig, QueueName,
};

use crate::Producer;

/// How long a publish waits for room unless it says otherwise.
const PUBLISH_WAIT: Duration = Duration::from_millis(100);

/// An open queue: what producers and workers are made from. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
    publish_wait: Duration,
}

struct Inner {
    backend: Arc<dyn Backend>,
    name: QueueName,
    queue: Arc<dyn Queue>,
    management: Arc<dyn Management>,
    environment: Environment,
    observers: Observers,
}

impl Connection {
    /// Opens a queue. With a configuration it is created if there is none, and must have that configuration if
    /// there is one.
    ///
    /// The backend is used as it is: what comes from a [`Registry`](forebay_queue_core::Registry) is guarded and
    /// observed already; wrap others with [`guarded`](forebay_queue_core::guarded) and
    /// [`observed`](forebay_queue_core::observed). The observers given here are told what workers do.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`] without a configuration, [`Error::ConfigMismatch`], [`Error::InvalidConfig`],
    /// [`Error::Unavailable`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave the queue created.
    pub async fn open(
        backend: Arc<dyn Backend>,
        name: QueueName,
        config: Option<QueueConfig>,
        environment: Environment,
        observers: Observers,
    ) -> Result<Self, Error> {
        let queue = open_or_create(&*backend, &name, config.as_ref()).await?;
        let management = backend.manage(&name).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                backend,
                name,
                queue,
                management,
                environment,
                observers,
            }),
            publish_wait: PUBLISH_WAIT,
        })
    }

    /// Who publishes typed tasks to this queue.
    pub fn producer(&self) -> Producer {
        Producer::new(self.clone())
    }

    /// The session that this handle publishes by.
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.inner.queue
    }

    /// Opens another consumer session.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`], [`Error::Unavailable`].
    pub async fn session(&self) -> Result<Arc<dyn Queue>, Error> {
        self.inner.backend.open(&self.inner.name, None).await
    }

    /// Looks at the queue and steers it.
    pub fn management(&self) -> &Arc<dyn Management> {
        &self.inner.management
    }

    /// The backend that the queue lives in.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.inner.backend
    }

    /// The queue's name.
    pub fn name(&self) -> &QueueName {
        &self.inner.name
    }

    /// Who is told what workers of this queue do.
    pub fn observers(&self) -> &Observers {
        &self.inner.observers
    }

    /// Where time, randomness and ids come from.
    pub fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// How long a publish waits for room. Default 100 ms.
    pub const fn publish_wait(&self) -> Duration {
        self.publish_wait
    }

    /// The same queue with another default for how long a publish waits for room.
    #[must_use]
    pub const fn with_publish_wait(mut self, wait: Duration) -> Self {
        self.publish_wait = wait;
        self
    }

    /// Ends the publishing session: later publishes answer [`Error::Closed`]. Workers have sessions of their own.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when something could not be released.
    pub async fn close(&self) -> Result<(), Error> {
        self.inner.queue.close().await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("backend", &self.inner.backend.name())
            .field("queue", &self.inner.name)
            .finish_non_exhaustive()
    }
}

async fn open_or_create(
    backend: &dyn Backend,
    name: &QueueName,
    config: Option<&QueueConfig>,
) -> Result<Arc<dyn Queue>, Error> {
    let opened = backend.open(name, config).await;
    let (Err(Error::QueueNotFound { .. }), Some(asked)) = (&opened, config) else {
        return opened;
    };
    match backend.create(name, asked).await {
        // Someone else was quicker: theirs is as good, if it is the same.
        Ok(()) | Err(Error::QueueAlreadyExists { .. }) => backend.open(name, config).await,
        Err(error) => Err(error),
    }
}
