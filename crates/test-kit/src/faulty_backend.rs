use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Error, Guarantees, Health, Management, Queue, QueueConfig, QueueName,
};

use crate::faults::{Faults, Site};
use crate::faulty_management::FaultyManagement;
use crate::faulty_queue::FaultyQueue;

/// As long as a queue can keep what has ended.
const KEEP: Duration = Duration::from_hours(24 * 365);

/// A backend that fails as the test says, and keeps what has ended, so that the kit can tell how.
pub(crate) struct FaultyBackend {
    pub(crate) inner: Arc<dyn Backend>,
    /// The same queues below the recorder.
    pub(crate) beneath: Arc<dyn Backend>,
    pub(crate) faults: Arc<Faults>,
}

impl FaultyBackend {
    async fn site(&self, name: &QueueName) -> Result<Site, Error> {
        Ok(Site {
            queue: name.clone(),
            capacity: self.beneath.config(name).await?.capacity,
        })
    }
}

fn kept(config: &QueueConfig) -> QueueConfig {
    QueueConfig {
        retain_done: KEEP,
        ..config.clone()
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
        self.faults.check_outage()?;
        self.inner.create(name, &kept(config)).await
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.faults.check_outage()?;
        let expected = expected.map(kept);
        Ok(Arc::new(FaultyQueue {
            inner: self.inner.open(name, expected.as_ref()).await?,
            beneath: self.beneath.open(name, None).await?,
            faults: Arc::clone(&self.faults),
            site: self.site(name).await?,
        }))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        self.faults.check_outage()?;
        Ok(Arc::new(FaultyManagement {
            inner: self.inner.manage(name).await?,
            faults: Arc::clone(&self.faults),
            site: self.site(name).await?,
        }))
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        self.faults.check_outage()?;
        self.inner.config(name).await
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.faults.check_outage()?;
        self.inner.update(name, &kept(config)).await
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        self.faults.check_outage()?;
        self.inner.list().await
    }

    async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        self.faults.check_outage()?;
        self.inner.delete(name).await
    }

    async fn health(&self) -> Health {
        if self.faults.check_outage().is_err() {
            return Health::Down("a test told it to".to_owned());
        }
        self.inner.health().await
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        self.faults.check_outage()?;
        self.inner.probe().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
