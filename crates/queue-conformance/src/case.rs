#![expect(
    clippy::missing_panics_doc,
    reason = "a case asserts by these methods: what does not hold, panics"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_queue_core::{
    Backend, Capabilities, Delivery, QueueConfig, QueueName, Timestamp, guarded,
};

use crate::{Harness, Subject, Timing, message};

/// What a case is given: a store, connected, and nothing in it that another case could touch.
#[derive(Clone)]
pub struct Case {
    harness: Arc<dyn Harness>,
    backend: Arc<dyn Backend>,
}

impl Case {
    pub(crate) async fn new(harness: Arc<dyn Harness>) -> Self {
        Self {
            backend: guarded(harness.connect().await),
            harness,
        }
    }

    /// The backend, behind the checks that every user has.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// What it can do.
    pub fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }

    /// How time passes there.
    pub fn timing(&self) -> Timing {
        self.harness.timing()
    }

    /// A name that no other queue has, on this store, ever.
    pub fn fresh_name(&self) -> QueueName {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("c-{}-{number}", std::process::id());
        QueueName::new(&name).expect("letters, digits and dashes make a name")
    }

    /// The configuration that most cases have: the defaults, with the lease that runs out soon.
    pub fn config(&self) -> QueueConfig {
        QueueConfig {
            lease: self.timing().lease,
            ..QueueConfig::default()
        }
    }

    /// As [`Case::config`], with a lease that does not run out while a case lasts.
    pub fn holding(&self) -> QueueConfig {
        QueueConfig {
            lease: self.timing().limit,
            ..QueueConfig::default()
        }
    }

    /// A new queue with [`Case::config`].
    pub async fn queue(&self) -> Subject {
        self.queue_with(self.config()).await
    }

    /// A new queue with a configuration.
    pub async fn queue_with(&self, config: QueueConfig) -> Subject {
        let name = self.fresh_name();
        let created = self.backend.create(&name, &config).await;
        created.expect("a queue of a fresh name and a valid configuration is made");
        self.open(&name).await
    }

    /// A new queue with [`Case::holding`].
    pub async fn holding_queue(&self) -> Subject {
        self.queue_with(self.holding()).await
    }

    /// A new queue of a capacity, with leases that last.
    pub(crate) async fn bounded(&self, capacity: usize) -> Subject {
        let config = QueueConfig {
            capacity,
            ..self.holding()
        };
        self.queue_with(config).await
    }

    /// A new queue that is full of messages that are all held.
    pub(crate) async fn full(&self, capacity: usize) -> (Subject, Vec<Delivery>) {
        let subject = self.bounded(capacity).await;
        subject.publish_all(message::many(capacity)).await;
        let held = subject.take_many(capacity).await;
        (subject, held)
    }

    /// A session of a queue that exists.
    pub async fn open(&self, name: &QueueName) -> Subject {
        Subject::open(&self.backend, name, self.timing()).await
    }

    /// The same store as another process sees it: a connection of its own where the backend is shared.
    pub async fn another_process(&self) -> Self {
        Self::new(Arc::clone(&self.harness)).await
    }

    /// The store dies and comes back; the answer is a new connection to it.
    pub async fn restart(self) -> Self {
        let Self { harness, backend } = self;
        drop(backend);
        harness.restart().await;
        Self::new(harness).await
    }

    /// What was due at one time came at another, both by the store's clock: not early, and hardly late.
    pub fn assert_in_time(&self, what: &str, due: Timestamp, came: Timestamp) {
        let early = due.since(came);
        assert!(
            early <= Timing::GRAIN,
            "{what} came {early:?} early by the store's own clock"
        );
        let (late, most) = (came.since(due), self.timing().tolerance());
        assert!(
            late <= most,
            "{what} came {late:?} late by the store's own clock, where {most:?} is allowed"
        );
    }

    /// Lets this much time pass.
    pub async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}
