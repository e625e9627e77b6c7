//! The working half: takes events from the queue and persists them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use forebay::core::Durability;
use forebay::telemetry::TraceLayer;
use forebay::{Backoff, Connection, Drain, Failure, Kind, Meta, RetryPolicy, State, Worker};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::event::Event;
use crate::settings::ServerSettings;
use crate::store::{Persisted, StoreError};

/// The kind of the messages that carry an [`Event`].
pub const KIND: Kind = Kind::from_static("message-event");

/// The longest that a handler may take. Well above the store's limit for a call, so that a database that does not
/// answer is told as unavailable, and never as an attempt that timed out.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long fetching pauses while the database is down. The cap is how late the worker may notice that it is back.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// Persists events, and counts them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Processing {
    database: Database,
    counts: Arc<Counts>,
}

/// How many events were persisted since the start.
#[derive(Debug, Default)]
struct Counts {
    new: AtomicU64,
    already_there: AtomicU64,
}

/// Whether the worker runs, for the readiness check. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct WorkerStatus(Arc<AtomicBool>);

impl WorkerStatus {
    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, running: bool) {
        self.0.store(running, Ordering::Relaxed);
    }
}

impl Processing {
    /// Persists into this database.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            counts: Arc::default(),
        }
    }

    /// How many events were written.
    pub fn persisted(&self) -> u64 {
        self.counts.new.load(Ordering::Relaxed)
    }

    /// How many events were there already.
    pub fn repeated(&self) -> u64 {
        self.counts.already_there.load(Ordering::Relaxed)
    }

    /// A worker of the queue. It is given `limit` for its shutdown.
    pub fn worker(&self, queue: &Connection, settings: &ServerSettings, limit: Duration) -> Worker {
        let drain = if is_volatile(queue) {
            Drain::Backlog
        } else {
            Drain::Running
        };
        let retry: RetryPolicy = settings.retry;
        Worker::new(queue.clone())
            .state(self.clone())
            .handle_raw(&KIND, persist)
            .layer(TraceLayer::new().with_queue(queue.name().clone()))
            .concurrency(settings.worker_concurrency)
            .retry(retry)
            .timeout(HANDLER_TIMEOUT)
            .unavailable_backoff(PAUSES)
            .shutdown_timeout(limit)
            .drain(drain)
    }

    async fn persist(&self, payload: &[u8], meta: &Meta) -> Result<(), Failure> {
        let event = Event::decode(payload).map_err(Failure::reject)?;
        let store = self.database.store().map_err(failure)?;
        let id = *meta.id().as_uuid();
        let count = match store.persist(&event, id).await.map_err(failure)? {
            Persisted::New => &self.counts.new,
            Persisted::AlreadyThere => &self.counts.already_there,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether what is in the queue is gone with this process.
pub fn is_volatile(queue: &Connection) -> bool {
    queue.backend().capabilities().durability == Durability::Memory
}

/// Runs the worker until it is told to stop, and says meanwhile that it runs.
///
/// # Errors
/// As [`Worker::run`].
pub async fn run(
    worker: Worker,
    status: WorkerStatus,
    stop: CancellationToken,
) -> Result<forebay::Report, forebay::WorkerError> {
    struct Down(WorkerStatus);
    impl Drop for Down {
        fn drop(&mut self) {
            self.0.set(false);
        }
    }
    status.set(true);
    // Says so when it panics, too.
    let _down = Down(status);
    worker.run(stop).await
}

async fn persist(
    payload: Bytes,
    meta: Meta,
    State(processing): State<Processing>,
) -> Result<(), Failure> {
    processing.persist(&payload, &meta).await
}

fn failure(error: StoreError) -> Failure {
    if error.is_unavailable() {
        Failure::unavailable(error)
    } else {
        Failure::reject(error)
    }
}

#[cfg(test)]
mod tests;
