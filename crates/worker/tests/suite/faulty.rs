//! A backend whose sessions fail as a test tells them to, and count their calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Delivery, Error, Guarantees, Health, Management, Nack, NewMessage,
    PublishOutcome, Queue, QueueConfig, QueueName, Receipt, SettleOutcome,
};

/// What is to go wrong, and what was called.
#[derive(Default)]
pub(crate) struct Faults {
    /// So many next acks fail before they take effect.
    pub(crate) refuse_acks: AtomicUsize,
    /// So many next acks take effect and are answered with `Interrupted`.
    pub(crate) swallow_acks: AtomicUsize,
    /// So many next nacks fail.
    pub(crate) refuse_nacks: AtomicUsize,
    /// So many next receives fail.
    pub(crate) refuse_receives: AtomicUsize,
    /// So many next receives panic.
    pub(crate) panic_receives: AtomicUsize,
    /// So many next receives are never answered.
    pub(crate) hang_receives: AtomicUsize,
    /// So many next acks are never answered.
    pub(crate) hang_acks: AtomicUsize,
    /// Extensions fail.
    pub(crate) refuse_extends: AtomicBool,
    /// Extensions are never answered.
    pub(crate) hang_extends: AtomicBool,
    /// So many next sessions cannot be opened.
    pub(crate) refuse_opens: AtomicUsize,
    /// Acks take so many milliseconds.
    pub(crate) ack_millis: AtomicUsize,

    pub(crate) acks: AtomicUsize,
    pub(crate) acked: AtomicUsize,
    pub(crate) extends: AtomicUsize,
    pub(crate) largest_receive: AtomicUsize,
    pub(crate) sessions: AtomicUsize,
}

impl Faults {
    fn hit(count: &AtomicUsize) -> bool {
        let step = |n: usize| n.checked_sub(1);
        count
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, step)
            .is_ok()
    }
}

fn unavailable() -> Error {
    Error::Unavailable {
        backend: "faulty",
        source: Some("told to".into()),
    }
}

fn interrupted() -> Error {
    Error::Interrupted {
        backend: "faulty",
        source: Some("told to".into()),
    }
}

pub(crate) struct FaultyBackend {
    pub(crate) inner: Arc<dyn Backend>,
    pub(crate) faults: Arc<Faults>,
}

struct FaultyQueue {
    inner: Arc<dyn Queue>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Queue for FaultyQueue {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn lease(&self) -> Duration {
        self.inner.lease()
    }

    async fn publish(
        &self,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        self.inner.publish(messages, patience).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        if Faults::hit(&self.faults.refuse_receives) {
            return Err(unavailable());
        }
        if Faults::hit(&self.faults.hang_receives) {
            std::future::pending::<()>().await;
        }
        assert!(
            !Faults::hit(&self.faults.panic_receives),
            "this receive was told to panic"
        );
        self.faults.largest_receive.fetch_max(max, Ordering::SeqCst);
        self.inner.receive(max, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.faults.acks.fetch_add(1, Ordering::SeqCst);
        if Faults::hit(&self.faults.refuse_acks) {
            return Err(unavailable());
        }
        if Faults::hit(&self.faults.hang_acks) {
            std::future::pending::<()>().await;
        }
        let millis = self.faults.ack_millis.load(Ordering::SeqCst);
        if millis > 0 {
            // tidy: sleep — the store takes as long as the test asks for
            tokio::time::sleep(Duration::from_millis(millis as u64)).await;
        }
        let outcomes = self.inner.ack(receipts).await?;
        self.faults
            .acked
            .fetch_add(receipts.len(), Ordering::SeqCst);
        if Faults::hit(&self.faults.swallow_acks) {
            return Err(interrupted());
        }
        Ok(outcomes)
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        if Faults::hit(&self.faults.refuse_nacks) {
            return Err(unavailable());
        }
        self.inner.nack(nacks).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.faults.extends.fetch_add(1, Ordering::SeqCst);
        if self.faults.refuse_extends.load(Ordering::SeqCst) {
            return Err(unavailable());
        }
        if self.faults.hang_extends.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.inner.extend(receipts).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[async_trait]
impl Backend for FaultyBackend {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.inner.create(name, config).await
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        if Faults::hit(&self.faults.refuse_opens) {
            return Err(unavailable());
        }
        let inner = self.inner.open(name, expected).await?;
        self.faults.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(FaultyQueue {
            inner,
            faults: Arc::clone(&self.faults),
        }))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        self.inner.manage(name).await
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        self.inner.config(name).await
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.inner.update(name, config).await
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        self.inner.list().await
    }

    async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        self.inner.delete(name).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        self.inner.probe().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
