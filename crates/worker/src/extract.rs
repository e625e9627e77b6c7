use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Headers, IdempotencyKey, Kind, Message, MessageId, QueueName, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{Failure, Job, Requirements};

/// What a handler can ask for beside its task: any argument after the first.
///
/// Implement it for a type of one's own to take something else out of a job, such as a tenant named in a header.
pub trait FromJob: Sized + Send {
    /// Takes it out of the job.
    ///
    /// # Errors
    /// A [`Failure`] ends the attempt before the handler runs.
    fn from_job(job: &Job) -> Result<Self, Failure>;

    /// Names what the worker must have been given. Asked before it starts; the default asks for nothing.
    fn requirements(needs: &mut Requirements) {
        let _ = needs;
    }
}

/// A value that the worker was given with [`Worker::state`](crate::Worker::state), cloned for each job.
///
/// A worker that was not given it does not start.
#[derive(Clone, Copy, Debug)]
pub struct State<S>(pub S);

impl<S: Clone + Send + Sync + 'static> FromJob for State<S> {
    fn from_job(job: &Job) -> Result<Self, Failure> {
        let state = job.state::<S>().cloned();
        state
            .map(Self)
            .ok_or_else(|| "the worker has no such state".into())
    }

    fn requirements(needs: &mut Requirements) {
        needs.state::<S>();
    }
}

/// What is known of the message beside its payload.
#[derive(Clone, Debug)]
pub struct Meta {
    message: Arc<Message>,
    queue: QueueName,
    attempt: u32,
    age: Duration,
    errors: usize,
}

impl Meta {
    /// The message's id. The same in every attempt.
    pub fn id(&self) -> MessageId {
        self.message.id()
    }

    /// Its kind.
    pub fn kind(&self) -> &Kind {
        self.message.kind()
    }

    /// The queue it came from.
    pub fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// Which attempt this is, from 1.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How many failures its history holds, earlier lives before a redrive included.
    pub const fn failures(&self) -> usize {
        self.errors
    }

    /// The idempotency key that it was published with.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.message.idempotency_key().map(IdempotencyKey::as_str)
    }

    /// The fairness key; `"default"` where none was named.
    pub fn fairness_key(&self) -> &str {
        self.message.fairness_key().as_str()
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        self.message.headers()
    }

    /// When the store accepted it, by the store's clock.
    pub fn published_at(&self) -> Timestamp {
        self.message.published_at()
    }

    /// How old it was when the handler started, from the latest of published, due and redriven.
    pub const fn age(&self) -> Duration {
        self.age
    }
}

impl FromJob for Meta {
    fn from_job(job: &Job) -> Result<Self, Failure> {
        Ok(Self {
            message: Arc::clone(job.message()),
            queue: job.queue().clone(),
            attempt: job.delivery().attempt,
            age: job.age(),
            errors: job.delivery().errors.len(),
        })
    }
}

impl FromJob for Headers {
    fn from_job(job: &Job) -> Result<Self, Failure> {
        Ok(job.message().headers().clone())
    }
}

/// Tells work that outlives its handler that the handler is over.
///
/// A handler whose lease is lost, whose time is up or whose worker stops is dropped at its next `.await`. What it has
/// handed to a thread or another task goes on unless it looks at this. It is also cancelled when the handler has
/// ended by itself.
#[derive(Clone, Debug)]
pub struct Cancelled(CancellationToken);

impl Cancelled {
    /// Whether the handler is over.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the handler is over.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}

impl FromJob for Cancelled {
    fn from_job(job: &Job) -> Result<Self, Failure> {
        Ok(Self(job.ended()))
    }
}

/// Tells a long handler that the worker has begun to shut down, so that it can come to an end by itself, for
/// example by [`Failure::snooze`].
#[derive(Clone, Debug)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Whether the worker is shutting down.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the worker shuts down.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }
}

impl FromJob for Shutdown {
    fn from_job(job: &Job) -> Result<Self, Failure> {
        Ok(Self(job.shutdown()))
    }
}
