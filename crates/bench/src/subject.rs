use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;

use crate::job::Job;
use crate::load::Load;

/// What is measured: forebay on a backend, or the bare store. A new one is a file with these traits and a line in
/// `baseline.rs`; the modes are written once, for all of them.
pub trait Subject: Send + Sync + 'static {
    /// A queue of one round.
    type Site: Site;

    /// Its name in the output: `forebay` or `bare-…`.
    fn name(&self) -> &'static str;

    /// Makes an empty queue that has room for the whole load.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached.
    fn open(&self, load: &Load) -> impl Future<Output = Result<Self::Site>> + Send;
}

/// An open queue of a [`Subject`].
pub trait Site: Send + Sync + 'static {
    /// One who publishes tasks one by one.
    type Publisher: Publisher;
    /// One who publishes, receives and acks in batches.
    type RawCaller: RawCaller;

    /// A new publisher.
    fn publisher(&self) -> Self::Publisher;

    /// A new raw caller.
    ///
    /// # Errors
    /// When the store refuses the load's batches or cannot be reached.
    fn raw_caller(&self, load: &Load) -> impl Future<Output = Result<Self::RawCaller>> + Send;

    /// Publishes payloads, as fast as it likes: this is not timed.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached.
    fn fill(
        &self,
        load: &Load,
        payloads: impl Iterator<Item = Bytes> + Send,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Works with [`Load::concurrency`] handlers that decode each [`Job`] and give it to [`Load::handle`], until
    /// the tally is done or stalled, and all that was handled is settled.
    ///
    /// # Errors
    /// When it cannot work.
    fn work(&self, load: &'static Load) -> impl Future<Output = Result<()>> + Send;

    /// Counts what is left in the queue and removes it. Not timed.
    ///
    /// # Errors
    /// When the store cannot be reached, or something is left that cannot be had.
    fn sweep(self, load: &Load) -> impl Future<Output = Result<()>> + Send;
}

/// Publishes one task at a time.
pub trait Publisher: Send + 'static {
    /// Encodes a job and publishes it; ends when it has been accepted.
    ///
    /// # Errors
    /// When it was not accepted.
    fn publish(&mut self, job: Job) -> impl Future<Output = Result<()>> + Send;
}

/// Works on the queue itself, without a worker and without decoding.
pub trait RawCaller: Send + 'static {
    /// Publishes a batch.
    ///
    /// # Errors
    /// When it was not accepted.
    fn publish(&mut self, payloads: Vec<Bytes>) -> impl Future<Output = Result<()>> + Send;

    /// Receives at most so many messages within a time, counts them by [`Job::number_of`] and acks them. Answers how many
    /// there were.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached.
    fn take(
        &mut self,
        load: &Load,
        max: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<usize>> + Send;
}
