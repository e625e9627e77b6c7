use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Delivery, Durability, Error, Guarantees, Health, Limits, Management,
    Nack, NewMessage, PublishOutcome, Queue, QueueConfig, QueueName, Receipt, SettleOutcome,
};

/// A backend that can do as little as the contract allows, and counts what reaches it.
pub(crate) struct Bare {
    capabilities: Capabilities,
    reached: Arc<AtomicUsize>,
}

struct BareQueue {
    name: QueueName,
    capabilities: Capabilities,
    reached: Arc<AtomicUsize>,
}

pub(crate) const LARGEST_DELAY: Duration = Duration::from_mins(15);

pub(crate) const LIMITS: Limits = Limits {
    payload: 10,
    batch: 2,
    batch_bytes: 30,
};

impl Bare {
    /// The backend, and how many calls with an effect have reached it.
    pub(crate) fn new() -> (Arc<Self>, Arc<AtomicUsize>) {
        let reached = Arc::new(AtomicUsize::new(0));
        let backend = Self {
            capabilities: Capabilities {
                durability: Durability::Memory,
                shared: false,
                fencing: false,
                ordering: false,
                fairness: false,
                lease_limits: false,
                throttling: false,
                dead_letter_queue: false,
                retain_done: false,
                largest_delay: Some(LARGEST_DELAY),
                limits: LIMITS,
            },
            reached: Arc::clone(&reached),
        };
        (Arc::new(backend), reached)
    }

    fn reach(&self) {
        self.reached.fetch_add(1, Ordering::Relaxed);
    }
}

impl BareQueue {
    fn settled(&self, count: usize) -> Vec<SettleOutcome> {
        self.reached.fetch_add(1, Ordering::Relaxed);
        vec![SettleOutcome::Done; count]
    }
}

#[async_trait]
impl Queue for BareQueue {
    fn name(&self) -> &QueueName {
        &self.name
    }

    fn backend(&self) -> &'static str {
        "bare"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn publish(
        &self,
        messages: Vec<NewMessage>,
        _patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        self.reached.fetch_add(1, Ordering::Relaxed);
        let id = forebay_queue_core::MessageId::from_bytes([1; 16]);
        Ok(vec![PublishOutcome::Accepted(id); messages.len()])
    }

    async fn receive(&self, _max: usize, _wait: Duration) -> Result<Vec<Delivery>, Error> {
        self.reached.fetch_add(1, Ordering::Relaxed);
        Ok(Vec::new())
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        Ok(self.settled(receipts.len()))
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        Ok(self.settled(nacks.len()))
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        Ok(self.settled(receipts.len()))
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl Backend for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, _name: &QueueName, _config: &QueueConfig) -> Result<(), Error> {
        self.reach();
        Ok(())
    }

    async fn open(
        &self,
        name: &QueueName,
        _expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        Ok(Arc::new(BareQueue {
            name: name.clone(),
            capabilities: self.capabilities.clone(),
            reached: Arc::clone(&self.reached),
        }))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        Err(Error::QueueNotFound {
            queue: name.clone(),
        })
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        Err(Error::QueueNotFound {
            queue: name.clone(),
        })
    }

    async fn update(&self, _name: &QueueName, _config: &QueueConfig) -> Result<(), Error> {
        self.reach();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        Ok(Vec::new())
    }

    async fn delete(&self, _name: &QueueName) -> Result<(), Error> {
        Ok(())
    }

    async fn health(&self) -> Health {
        Health::Up
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        Ok(Guarantees {
            durability: Durability::Memory,
            replicas: 0,
            detail: "it keeps nothing".to_owned(),
        })
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
