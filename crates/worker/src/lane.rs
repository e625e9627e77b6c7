use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_queue_core::{Error, Event, Observers, ProcessOutcome, Queue, Source};
use futures_util::FutureExt;
use parking_lot::RwLock;
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use crate::ledger::Ledger;
use crate::settlement::{Note, Outbox};
use crate::{Backoff, Connection};

/// Everything that the parts of a worker share about one queue.
pub(crate) struct Lane {
    /// Its place in the order of priority.
    pub(crate) index: usize,
    pub(crate) connection: Connection,
    pub(crate) observers: Observers,
    /// The most leases held at once.
    pub(crate) capacity: usize,
    pub(crate) ledger: Ledger,
    pub(crate) outbox: Outbox,
    /// The fetcher may have room.
    pub(crate) room: Notify,
    /// A pause has begun.
    pub(crate) paused: Notify,
    pub(crate) counts: Counts,
    // Read for each call, written when the session was closed under the worker.
    session: RwLock<Arc<dyn Queue>>,
    // One reopening at a time; held across the opening.
    reopening: Mutex<()>,
}

/// How deliveries ended.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) processed: AtomicU64,
    pub(crate) released: AtomicU64,
}

/// How the store is asked again after it failed: soon, and hardly later than it is back.
pub(crate) const OUTAGE: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// How long a call may take beyond what it waits for by itself. A store that never answers, and a client that does
/// not notice, must not stop a worker for ever.
pub(crate) const NO_ANSWER: Duration = Duration::from_secs(30);

impl Lane {
    pub(crate) fn new(
        index: usize,
        connection: Connection,
        observers: Observers,
        capacity: usize,
        session: Arc<dyn Queue>,
    ) -> Self {
        Self {
            index,
            connection,
            observers,
            capacity,
            ledger: Ledger::default(),
            outbox: Outbox::default(),
            room: Notify::new(),
            paused: Notify::new(),
            counts: Counts::default(),
            session: RwLock::new(session),
            reopening: Mutex::new(()),
        }
    }

    pub(crate) fn session(&self) -> Arc<dyn Queue> {
        Arc::clone(&self.session.read())
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            backend: self.connection.backend().name(),
            queue: self.connection.name(),
        }
    }

    /// Opens a new session in place of one that answered `Closed`; does nothing if someone has already.
    pub(crate) async fn reopen(&self, closed: &Arc<dyn Queue>) -> Result<(), Error> {
        let _one = self.reopening.lock().await;
        if !Arc::ptr_eq(&self.session(), closed) {
            return Ok(());
        }
        let fresh = self.connection.session().await?;
        *self.session.write() = fresh;
        tracing::info!(queue = %self.connection.name(), "opened the session again");
        Ok(())
    }

    /// How long to wait before try `n` of something that the store failed at.
    pub(crate) fn outage_delay(&self, n: u32) -> Duration {
        // At least half, so that a run of small numbers does not make a loop of it.
        let unit = self.unit_random().midpoint(1.0);
        OUTAGE.delay(n, unit)
    }

    pub(crate) fn unit_random(&self) -> f64 {
        self.connection.environment().random().unit()
    }

    /// Tells the observers how deliveries ended, and counts them.
    pub(crate) fn ended<'a>(&self, notes: impl Iterator<Item = &'a Note>) {
        let (mut processed, mut released) = (0, 0);
        for note in notes {
            match note.outcome {
                ProcessOutcome::Released => released += 1,
                _ => processed += 1,
            }
            self.report(note, note.outcome);
        }
        self.counts
            .processed
            .fetch_add(processed, Ordering::Relaxed);
        self.counts.released.fetch_add(released, Ordering::Relaxed);
    }

    /// Tells the observers of a delivery that could not be settled in time.
    pub(crate) fn abandoned(&self, note: &Note) {
        self.report(note, ProcessOutcome::LeaseLost);
    }

    /// Tells the observers. One that panics must not take a part of the worker with it.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if self.observers.is_empty() {
            return;
        }
        let told = catch_unwind(AssertUnwindSafe(|| self.observers.observe(event)));
        if told.is_err() {
            tracing::error!(queue = %self.connection.name(), "an observer panicked");
        }
    }

    fn report(&self, note: &Note, outcome: ProcessOutcome) {
        if self.observers.is_empty() {
            return;
        }
        self.tell(&Event::Processed {
            source: self.source(),
            kind: &note.kind,
            id: note.id,
            attempt: note.attempt,
            outcome,
            elapsed: note.elapsed,
        });
    }

    /// Makes a call to the store. One that panics, or takes longer than `limit`, is a call whose answer was lost.
    pub(crate) async fn call<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let lost = |why: &'static str| Error::Interrupted {
            backend: self.connection.backend().name(),
            source: Some(why.into()),
        };
        let caught = AssertUnwindSafe(call).catch_unwind();
        match timeout(limit, caught).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(lost("the call panicked")),
            Err(_) => Err(lost("there was no answer in time")),
        }
    }
}
