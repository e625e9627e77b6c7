use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Durability, Environment, Error, Guarantees, Health, Limits, Management,
    Queue, QueueConfig, QueueName,
};
use forebay_queue_engine::Engine;
use parking_lot::Mutex;

use crate::management::MemoryManagement;
use crate::queue::MemoryQueue;
use crate::shared::Shared;

pub(crate) const NAME: &str = "memory";

pub(crate) static CAPABILITIES: Capabilities = Capabilities {
    durability: Durability::Memory,
    shared: false,
    fencing: true,
    ordering: true,
    fairness: true,
    lease_limits: true,
    throttling: true,
    dead_letter_queue: false,
    retain_done: true,
    largest_delay: None,
    limits: Limits::DEFAULT,
};

/// Named queues in the memory of this process.
pub struct MemoryBackend {
    environment: Environment,
    queues: Mutex<BTreeMap<QueueName, Arc<Shared>>>,
}

impl MemoryBackend {
    /// A backend without queues, with its time and randomness.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            queues: Mutex::default(),
        }
    }

    /// What this backend can do, for tables in the documentation.
    pub const fn describe() -> &'static Capabilities {
        &CAPABILITIES
    }

    fn find(&self, name: &QueueName) -> Result<Arc<Shared>, Error> {
        let found = self.queues.lock().get(name).cloned();
        found.ok_or_else(|| Error::QueueNotFound {
            queue: name.clone(),
        })
    }

    fn end(shared: &Shared) {
        shared.with(|state, _| state.deleted = true);
        shared.wake_all();
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        let mut queues = self.queues.lock();
        if queues.contains_key(name) {
            return Err(Error::QueueAlreadyExists {
                queue: name.clone(),
            });
        }
        let engine = Engine::new(config.clone(), self.environment.random().next_u64());
        let shared = Shared::new(name.clone(), engine, self.environment.clone());
        queues.insert(name.clone(), Arc::new(shared));
        Ok(())
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        let shared = self.find(name)?;
        if let Some(asked) = expected {
            shared.with(|state, _| state.engine.config().matches(name, asked))?;
        }
        Ok(Arc::new(MemoryQueue::new(shared)))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        Ok(Arc::new(MemoryManagement(self.find(name)?)))
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        let shared = self.find(name)?;
        Ok(shared.with(|state, _| state.engine.config().clone()))
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        let shared = self.find(name)?;
        shared.with(|state, _| state.engine.update(config.clone()));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        Ok(self.queues.lock().keys().cloned().collect())
    }

    async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        let removed = self.queues.lock().remove(name);
        let shared = removed.ok_or_else(|| Error::QueueNotFound {
            queue: name.clone(),
        })?;
        Self::end(&shared);
        Ok(())
    }

    async fn health(&self) -> Health {
        Health::Up
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        Ok(Guarantees {
            durability: Durability::Memory,
            replicas: 0,
            detail: "messages live in this process and are gone with it".to_owned(),
        })
    }

    async fn close(&self) -> Result<(), Error> {
        let queues = std::mem::take(&mut *self.queues.lock());
        for shared in queues.values() {
            Self::end(shared);
        }
        Ok(())
    }
}
