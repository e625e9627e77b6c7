use std::sync::{Arc, mpsc};
use std::thread;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Durability, Environment, Error, Guarantees, Health, Limits, Management,
    Queue, QueueConfig, QueueName,
};
use tokio::sync::oneshot;

use crate::command::{Handle, unavailable};
use crate::management::EmbeddedManagement;
use crate::options::{Database, EmbeddedOptions, Sync};
use crate::session::EmbeddedQueue;
use crate::writer::{Opener, Writer};

static CAPABILITIES: Capabilities = Capabilities {
    durability: Durability::Fsynced,
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

/// Named queues in a directory of this machine, of one process at a time.
///
/// All of them share one writer thread, which ends with the last handle, or when the backend is closed.
///
/// Where an error of its calls has a source, that is an `Arc<`[`StorageError`](crate::StorageError)`>`: a full disk refuses what
/// is published ([`Error::Unavailable`]) and lets through what settles; a disk that fails makes every call fail until the store
/// could be opened again, which is tried once a second.
pub struct EmbeddedBackend {
    handle: Arc<Handle>,
    options: EmbeddedOptions,
}

impl EmbeddedBackend {
    /// Opens the queues of a directory, or an empty one.
    ///
    /// # Errors
    /// [`Error::Unavailable`], whose source says why the directory cannot be used: another process has it, it is foreign,
    /// damaged, read-only, of another version or full.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn open(options: EmbeddedOptions, environment: Environment) -> Result<Self, Error> {
        let own = options.clone();
        Self::open_with(options, Box::new(move || own.open_store()), environment).await
    }

    pub(crate) async fn open_with(
        options: EmbeddedOptions,
        opener: Opener,
        environment: Environment,
    ) -> Result<Self, Error> {
        let backend = options.database.name();
        let (commands, inbox) = mpsc::channel();
        let (ready, outcome) = oneshot::channel();
        let (back, own) = (commands.clone(), options.clone());
        let writer = move || match Writer::open(own, opener, environment, inbox, back) {
            Ok(writer) => {
                if ready.send(Ok(())).is_ok() {
                    writer.run();
                }
            }
            Err(error) => drop(ready.send(Err(error))),
        };
        let thread = thread::Builder::new().name(format!("forebay-{backend}"));
        let failed = |source: forebay_queue_core::BoxError| Error::Unavailable {
            backend,
            source: Some(source),
        };
        thread.spawn(writer).map_err(|error| failed(error.into()))?;
        match outcome.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(unavailable(backend, &Arc::new(error))),
            Err(_) => return Err(failed("its writer ended".into())),
        }
        let handle = Handle::new(commands, backend, CAPABILITIES.clone());
        Ok(Self { handle, options })
    }

    /// What this backend can do, for tables in the documentation.
    pub const fn describe(_: Database) -> &'static Capabilities {
        &CAPABILITIES
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let backend = self.handle.backend;
        let answer = self.handle.whole(ask).await;
        answer.unwrap_or(Err(Error::Unavailable {
            backend,
            source: Some("it was closed".into()),
        }))
    }
}

#[async_trait]
impl Backend for EmbeddedBackend {
    fn name(&self) -> &'static str {
        self.handle.backend
    }

    fn capabilities(&self) -> &Capabilities {
        &self.handle.capabilities
    }

    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        let (name, config) = (name.clone(), config.clone());
        self.ask(move |writer| writer.create(&name, &config)).await
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        let (asked, expected) = (name.clone(), expected.cloned());
        let found = self.ask(move |writer| writer.line(&asked, expected.as_ref()));
        let (line, lease) = found.await?;
        let handle = Arc::clone(&self.handle);
        Ok(Arc::new(EmbeddedQueue::new(
            handle,
            name.clone(),
            line,
            lease,
        )))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        let asked = name.clone();
        let (line, _) = self.ask(move |writer| writer.line(&asked, None)).await?;
        Ok(Arc::new(EmbeddedManagement {
            handle: Arc::clone(&self.handle),
            name: name.clone(),
            line,
        }))
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        let name = name.clone();
        self.ask(move |writer| writer.config(&name)).await
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        let (name, config) = (name.clone(), config.clone());
        self.ask(move |writer| writer.update(&name, &config)).await
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        self.ask(|writer| writer.list()).await
    }

    async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        let name = name.clone();
        self.ask(move |writer| writer.delete(&name)).await
    }

    async fn health(&self) -> Health {
        let health = self.handle.whole(Writer::health).await;
        health.unwrap_or_else(|| Health::Down("it was closed".to_owned()))
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        self.ask(|writer| writer.list()).await?;
        let path = self.options.path.display();
        Ok(match self.options.sync {
            Sync::Always => Guarantees {
                durability: Durability::Fsynced,
                replicas: 0,
                detail: format!("what is answered is on the disk of {path}"),
            },
            Sync::Every(span) => Guarantees {
                durability: Durability::Buffered,
                replicas: 0,
                detail: format!(
                    "what is answered is with the operating system, and on the disk of {path} every {}",
                    humantime::format_duration(span)
                ),
            },
            Sync::Never => Guarantees {
                durability: Durability::Buffered,
                replicas: 0,
                detail: format!(
                    "what is answered is with the operating system, and on the disk of {path} when that likes"
                ),
            },
        })
    }

    async fn close(&self) -> Result<(), Error> {
        // One that has ended already is closed.
        self.handle.whole(Writer::close).await.unwrap_or(Ok(()))
    }
}
