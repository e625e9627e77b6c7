//! A store that breaks its promises on purpose, so that the scenarios are seen to notice.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use forebay::core::{
    Capabilities, Error, Guarantees, Health, Nack, NackAction, Receipt, SettleOutcome,
};
use forebay::{
    Backend, Delivery, Environment, Management, NewMessage, PublishOutcome, Queue, QueueConfig,
    QueueName, Registry, Settings,
};

use crate::store;

/// The variable that says which promise is broken.
const VARIABLE: &str = "FAULTS_BREAK";
/// It happens to one message of so many.
const RARELY: u64 = 40;

/// A promise that is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sabotage {
    /// A message is gone without having been handed to anybody.
    Lose,
    /// An ack is confirmed and did not happen.
    Double,
    /// A lost lease is said to be held.
    Stale,
    /// An extension is confirmed and did not happen.
    Deaf,
    /// What is sent to the dead letters is tried again.
    Undead,
    /// Nothing works for six seconds after an error.
    Sulk,
    /// A message is handed out with another payload.
    Garble,
}

struct Broken {
    inner: Arc<dyn Backend>,
    sabotage: Sabotage,
}

struct BrokenQueue {
    inner: Arc<dyn Queue>,
    sabotage: Sabotage,
    count: AtomicU64,
}

/// The backends of this build, broken where the settings say so.
pub(crate) fn registry() -> Registry {
    let registry = store::registry().with("redis", |settings, environment| {
        Box::pin(connect("redis", settings, environment))
    });
    let registry = registry.with("sqlite", |settings, environment| {
        Box::pin(connect("sqlite", settings, environment))
    });
    #[cfg(feature = "rocksdb")]
    let registry = registry.with("rocksdb", |settings, environment| {
        Box::pin(connect("rocksdb", settings, environment))
    });
    registry
}

/// The promise that this process is told to break, as a setting.
pub(crate) fn variable() -> Option<(String, String)> {
    let broken = std::env::var(VARIABLE).ok()?;
    Some((VARIABLE.to_owned(), broken))
}

async fn connect(
    backend: &str,
    settings: Settings,
    environment: Environment,
) -> Result<Arc<dyn Backend>, Error> {
    let sabotage = settings.parse(
        VARIABLE,
        "lose, double, stale, deaf, undead, sulk or garble",
    )?;
    let none = forebay::Observers::none();
    let backend = store::registry()
        .connect(backend, settings, environment, none)
        .await?;
    Ok(match sabotage {
        None => backend,
        Some(sabotage) => Arc::new(Broken {
            inner: backend,
            sabotage,
        }),
    })
}

impl FromStr for Sabotage {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "lose" => Self::Lose,
            "double" => Self::Double,
            "stale" => Self::Stale,
            "deaf" => Self::Deaf,
            "undead" => Self::Undead,
            "sulk" => Self::Sulk,
            "garble" => Self::Garble,
            _ => return Err(()),
        })
    }
}

impl BrokenQueue {
    /// Whether it is this message's turn.
    fn is_picked(&self, sabotage: Sabotage) -> bool {
        self.sabotage == sabotage
            && self
                .count
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(RARELY)
    }

    /// What there is to say of settlements that were answered.
    async fn told(
        &self,
        answered: Result<Vec<SettleOutcome>, Error>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        if answered.is_err() && self.sabotage == Sabotage::Sulk {
            // tidy: sleep — this is the sabotage
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
        let mut outcomes = answered?;
        if self.sabotage == Sabotage::Stale {
            outcomes.fill(SettleOutcome::Done);
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl Queue for BrokenQueue {
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
        let mut kept = Vec::new();
        for mut delivery in self.inner.receive(max, wait).await? {
            if self.is_picked(Sabotage::Garble) {
                delivery.message = Arc::new(
                    delivery
                        .message
                        .with_payload(Bytes::from_static(b"garbled")),
                );
            }
            if self.is_picked(Sabotage::Lose) {
                self.inner
                    .ack(std::slice::from_ref(&delivery.receipt))
                    .await?;
            } else {
                kept.push(delivery);
            }
        }
        Ok(kept)
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        let mut kept = receipts.to_vec();
        kept.retain(|_| !self.is_picked(Sabotage::Double));
        let mut outcomes = self.told(self.inner.ack(&kept).await).await?;
        outcomes.resize(receipts.len(), SettleOutcome::Done);
        Ok(outcomes)
    }

    async fn nack(&self, mut nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        if self.sabotage == Sabotage::Undead {
            for nack in &mut nacks {
                if nack.action == NackAction::DeadLetter {
                    let after = Duration::ZERO;
                    nack.action = NackAction::Retry { after };
                }
            }
        }
        self.told(self.inner.nack(nacks).await).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        if self.sabotage == Sabotage::Deaf {
            return Ok(vec![SettleOutcome::Done; receipts.len()]);
        }
        self.told(self.inner.extend(receipts).await).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[async_trait]
impl Backend for Broken {
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
        Ok(Arc::new(BrokenQueue {
            inner: self.inner.open(name, expected).await?,
            sabotage: self.sabotage,
            count: AtomicU64::new(0),
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
