//! The memory backend with a fault, as a backend named `broken`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay::core::{Capabilities, Error, Guarantees, Health, Nack, Observers, Receipt};
use forebay::{
    Backend, Delivery, Environment, Management, MessageId, NewMessage, PublishOutcome, Queue,
    QueueConfig, QueueName, Registry, Settings, SettleOutcome,
};
use forebay_bench::Job;

/// What is wrong, as the value of [`FAULT`].
pub(crate) const FAULT: &str = "BROKEN_FAULT";
/// Says that it has taken the message of number 3, and forgets it.
pub(crate) const LOSES: &str = "loses";
/// Takes the message of number 5 twice.
pub(crate) const REPEATS: &str = "repeats";
/// Says that it has acked, and has not.
pub(crate) const KEEPS: &str = "keeps";

/// The backends of this build and this one.
pub(crate) fn registry() -> Registry {
    forebay::registry().with("broken", |settings, environment| {
        Box::pin(async move {
            let fault = settings.get(FAULT).unwrap_or_default().to_owned();
            let inner = connect_memory(settings, environment).await?;
            Ok(Arc::new(BrokenBackend { inner, fault }) as Arc<dyn Backend>)
        })
    })
}

async fn connect_memory(
    settings: Settings,
    environment: Environment,
) -> Result<Arc<dyn Backend>, Error> {
    let registry = forebay::registry();
    registry
        .connect("memory", settings, environment, Observers::none())
        .await
}

struct BrokenBackend {
    inner: Arc<dyn Backend>,
    fault: String,
}

#[async_trait]
impl Backend for BrokenBackend {
    fn name(&self) -> &'static str {
        "broken"
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
        Ok(Arc::new(BrokenQueue {
            inner: self.inner.open(name, expected).await?,
            fault: self.fault.clone(),
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

struct BrokenQueue {
    inner: Arc<dyn Queue>,
    fault: String,
}

impl BrokenQueue {
    /// Where in a batch the message is that the fault is about.
    fn victim(&self, messages: &[NewMessage], fault: &str, number: u32) -> Option<usize> {
        let is_it = |message: &NewMessage| Job::number_of(message.payload()) == Some(number);
        let place = messages.iter().position(is_it)?;
        (self.fault == fault).then_some(place)
    }
}

#[async_trait]
impl Queue for BrokenQueue {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        "broken"
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn lease(&self) -> Duration {
        self.inner.lease()
    }

    async fn publish(
        &self,
        mut messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        if let Some(place) = self.victim(&messages, LOSES, 3) {
            messages.remove(place);
            let mut outcomes = self.inner.publish(messages, patience).await?;
            let id = MessageId::from_bytes([7; 16]);
            outcomes.insert(place, PublishOutcome::Accepted(id));
            return Ok(outcomes);
        }
        if let Some(place) = self.victim(&messages, REPEATS, 5) {
            let (kind, payload) = (messages[place].kind(), messages[place].payload());
            messages.push(NewMessage::new(kind.clone(), payload.clone()));
            let mut outcomes = self.inner.publish(messages, patience).await?;
            outcomes.pop();
            return Ok(outcomes);
        }
        self.inner.publish(messages, patience).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        self.inner.receive(max, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        if self.fault == KEEPS {
            return Ok(vec![SettleOutcome::Done; receipts.len()]);
        }
        self.inner.ack(receipts).await
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        self.inner.nack(nacks).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.inner.extend(receipts).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
