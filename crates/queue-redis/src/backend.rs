//! Named queues on a Redis server or cluster.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Durability, Environment, Error, Guarantees, Health, Limits, Management,
    Queue, QueueConfig, QueueName,
};
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use redis::Value;

use crate::call::Call;
use crate::cluster::Servers;
use crate::config;
use crate::failure::Failure;
use crate::handle::{Handle, Made};
use crate::home::Shared;
use crate::keys::Keys;
use crate::management::RedisManagement;
use crate::options::RedisOptions;
use crate::registry::Registry;
use crate::session::RedisQueue;
use crate::{NAME, probe};

pub(crate) static CAPABILITIES: Capabilities = Capabilities {
    durability: Durability::Replicated(9),
    shared: true,
    fencing: true,
    ordering: true,
    fairness: false,
    lease_limits: false,
    throttling: false,
    dead_letter_queue: false,
    retain_done: true,
    largest_delay: None,
    limits: Limits::DEFAULT,
};

/// Named queues on a Redis or Valkey server, or a cluster of them.
pub struct RedisBackend {
    servers: Arc<Servers>,
    environment: Environment,
    /// The queues that this process has sessions with.
    used: Mutex<HashMap<QueueName, Weak<Shared>>>,
}

impl RedisBackend {
    /// Reaches the server and finds out what it guarantees.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] when the file of the authority cannot be used, and for a server that is too old or evicts
    /// keys; [`Error::Unavailable`].
    pub async fn connect(options: RedisOptions, environment: Environment) -> Result<Self, Error> {
        let servers = Servers::new(options)?;
        probe::admit(&servers).await?;
        Ok(Self {
            servers,
            environment,
            used: Mutex::default(),
        })
    }

    /// What this backend can do, for tables in the documentation.
    pub const fn describe() -> &'static Capabilities {
        &CAPABILITIES
    }

    /// What the sessions with a queue share in this process, as long as there is one.
    fn in_use(&self, name: &QueueName) -> Option<Arc<Shared>> {
        let used = self.used.lock();
        used.get(name)
            .and_then(Weak::upgrade)
            .filter(|shared| !shared.home.is_ended())
    }

    fn shared(&self, handle: Handle, made: Made) -> Arc<Shared> {
        let mut used = self.used.lock();
        let known = used.get(&handle.name).and_then(Weak::upgrade);
        if let Some(shared) = known.filter(|shared| !shared.home.is_ended()) {
            shared.home.update(made.config);
            return shared;
        }
        used.retain(|_, shared| shared.strong_count() > 0);
        let name = handle.name.clone();
        let shared = Shared::new(handle, made);
        used.insert(name, Arc::downgrade(&shared));
        shared
    }

    fn handle(&self, name: &QueueName) -> Handle {
        Handle {
            name: name.clone(),
            keys: Keys::new(self.servers.options().prefix(), name),
            link: self.servers.link(name),
            registry: self.registry(),
            environment: self.environment.clone(),
        }
    }

    fn registry(&self) -> Registry {
        Registry::new(self.servers.clone())
    }

    /// Whether there is a queue of the name.
    async fn exists(&self, name: &QueueName) -> Result<bool, Error> {
        let handle = self.handle(name);
        let mut command = redis::cmd("EXISTS");
        command.arg(&handle.keys.all()[0][..]);
        let answer = handle.link.one(Call::command(command)).await;
        let answer = answer.map_err(Failure::into_backend_error)?;
        Ok(matches!(answer, Value::Int(1)))
    }

    async fn strike_name(&self, name: &QueueName) -> Result<(), Error> {
        self.registry().remove(name).await?;
        // Somebody may have made one of this name meanwhile.
        if self.exists(name).await? {
            self.registry().add(name).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for RedisBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        let handle = self.handle(name);
        let made = Made::new(config, &self.environment);
        // Before and after: a delete that comes in between takes the name out once more, then looks, then we.
        self.registry().add(name).await?;
        let is_new = handle.make(&made).await;
        if !is_new.map_err(|failure| handle.refused(failure))? {
            return Err(Error::QueueAlreadyExists {
                queue: name.clone(),
            });
        }
        // The queue is made, and its name stands there since before.
        let _ = self.registry().add(name).await;
        Ok(())
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        let handle = self.handle(name);
        let made = handle.look_up().await?;
        if let Some(asked) = expected {
            made.config.matches(name, &config::rounded(asked))?;
        }
        Ok(Arc::new(RedisQueue::new(self.shared(handle, made))))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        let handle = self.handle(name);
        handle.look_up().await?;
        Ok(Arc::new(RedisManagement::new(handle)))
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        Ok(self.handle(name).look_up().await?.config)
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        let config = config::rounded(config);
        self.handle(name).update(&config).await?;
        if let Some(shared) = self.in_use(name) {
            shared.home.update(config);
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        let names = self.registry().names().await?;
        let found = try_join_all(names.iter().map(|name| self.exists(name))).await?;
        let there = names.into_iter().zip(found).filter(|(_, exists)| *exists);
        let mut names: Vec<QueueName> = there.map(|(name, _)| name).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        self.handle(name).delete().await?;
        if let Some(shared) = self.used.lock().remove(name).and_then(|s| s.upgrade()) {
            shared.home.end();
        }
        // It is deleted. A name that stays behind is not listed without a queue.
        let _ = self.strike_name(name).await;
        Ok(())
    }

    async fn health(&self) -> Health {
        probe::health(&self.servers).await
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        probe::probe(&self.servers).await
    }

    async fn close(&self) -> Result<(), Error> {
        let used = std::mem::take(&mut *self.used.lock());
        for shared in used.values().filter_map(Weak::upgrade) {
            shared.home.end();
        }
        self.servers.close();
        Ok(())
    }
}
