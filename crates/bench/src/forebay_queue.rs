use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use forebay::core::{Receipt, SettleOutcome};
use forebay::{
    Connection, Connector, Kind, NewMessage, Producer, Queue, Registry, Settings, State, Task,
    Worker,
};
use tempfile::TempDir;

use crate::job::Job;
use crate::load::Load;
use crate::subject::{Publisher, RawCaller, Site, Subject};

/// forebay on the backend of its settings, opened through the facade like any application does it.
#[derive(Debug)]
pub struct ForebayQueue {
    settings: Settings,
    registry: Registry,
    folder: Option<PathBuf>,
    opened: AtomicU32,
}

impl ForebayQueue {
    /// With the settings of an application, `QUEUE_BACKEND` among them, and the backends to choose from.
    pub fn new(settings: Settings, registry: Registry) -> Self {
        Self {
            settings,
            registry,
            folder: None,
            opened: AtomicU32::new(0),
        }
    }

    /// Each round in a new directory, made in this folder and removed after it: `QUEUE_PATH`.
    pub fn in_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }
}

impl Subject for ForebayQueue {
    type Site = ForebaySite;

    fn name(&self) -> &'static str {
        "forebay"
    }

    async fn open(&self, load: &Load) -> Result<ForebaySite> {
        let mut settings = self.settings.clone();
        // Some room more, so that a store that repeats itself is seen and not refused.
        settings.set("QUEUE_CAPACITY", (load.messages + 1_000).to_string());
        // A queue that nobody else has, on a store that others may use too.
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench-{}-{number}", std::process::id());
        let directory = self.folder.as_ref().map(directory_in).transpose()?;
        if let Some(directory) = &directory {
            let path = directory.path().to_str();
            let path = path.context("--path is no UTF-8, as a setting has to be")?;
            settings.set("QUEUE_PATH", path);
        }
        let connector = Connector::new(settings).registry(self.registry.clone());
        let connection = connector.connect(&name).await?;
        let site = ForebaySite {
            connection,
            directory,
        };
        site.check_payload(load)?;
        Ok(site)
    }
}

/// A queue of one round.
#[derive(Debug)]
pub struct ForebaySite {
    connection: Connection,
    directory: Option<TempDir>,
}

impl ForebaySite {
    fn check_payload(&self, load: &Load) -> Result<()> {
        let backend = self.connection.backend();
        let (name, most) = (backend.name(), backend.capabilities().limits.payload);
        ensure!(
            load.payload <= most,
            "--payload {}: allowed on {name}: at most {most}",
            load.payload
        );
        Ok(())
    }

    /// The most messages of this load in one call.
    fn largest_batch(&self, load: &Load) -> usize {
        let limits = self.connection.backend().capabilities().limits;
        limits
            .batch
            .min(limits.batch_bytes / (load.payload + ENVELOPE))
    }

    async fn session(&self) -> Result<RawSession> {
        Ok(RawSession {
            queue: self.connection.session().await?,
            kind: Kind::from_static(Job::KIND),
        })
    }
}

impl Site for ForebaySite {
    type Publisher = Producer;
    type RawCaller = RawSession;

    fn publisher(&self) -> Producer {
        self.connection.producer()
    }

    async fn raw_caller(&self, load: &Load) -> Result<RawSession> {
        let (name, most) = (self.connection.backend().name(), self.largest_batch(load));
        ensure!(
            load.batch <= most,
            "--batch {}: allowed on {name} with this payload: 1 to {most}",
            load.batch
        );
        self.session().await
    }

    async fn fill(&self, load: &Load, payloads: impl Iterator<Item = Bytes> + Send) -> Result<()> {
        let mut session = self.session().await?;
        let size = self.largest_batch(load).min(load.batch);
        let mut payloads = payloads.peekable();
        while payloads.peek().is_some() {
            let batch = payloads.by_ref().take(size).collect();
            session.publish(batch).await?;
        }
        Ok(())
    }

    async fn work(&self, load: &'static Load) -> Result<()> {
        let worker = Worker::new(self.connection.clone())
            .state(load)
            .handle(handle)
            .concurrency(load.concurrency)
            .prefetch(load.prefetch.unwrap_or(load.concurrency));
        worker.run_until(load.tally.done_or_stalled()).await?;
        Ok(())
    }

    async fn sweep(self, load: &Load) -> Result<()> {
        let management = self.connection.management();
        let mut session = self.session().await?;
        let size = self.largest_batch(load).min(load.batch);
        while management.stats().await?.ready > 0 {
            session.take(load, size, Duration::ZERO).await?;
        }
        let stats = management.stats().await?;
        if stats.live() + stats.dead > 0 {
            let (leased, dead) = (stats.leased, stats.dead);
            bail!("after the round there are {leased} leased messages and {dead} dead letters");
        }
        session.queue.close().await?;
        let backend = self.connection.backend();
        backend.delete(self.connection.name()).await?;
        backend.close().await?;
        self.directory.map(TempDir::close).transpose()?;
        Ok(())
    }
}

/// A new directory for a round.
pub(crate) fn directory_in(folder: impl AsRef<Path>) -> Result<TempDir> {
    let folder = folder.as_ref();
    let directory = tempfile::Builder::new()
        .prefix("forebay-bench-")
        .tempdir_in(folder);
    directory.with_context(|| {
        format!(
            "--path {}: no directory can be made there",
            folder.display()
        )
    })
}

impl Publisher for Producer {
    async fn publish(&mut self, job: Job) -> Result<()> {
        Producer::publish(self, job).await?;
        Ok(())
    }
}

/// A session with the queue, used without a worker.
pub struct RawSession {
    queue: Arc<dyn Queue>,
    kind: Kind,
}

impl RawCaller for RawSession {
    async fn publish(&mut self, payloads: Vec<Bytes>) -> Result<()> {
        let messages = payloads.into_iter();
        let messages = messages.map(|payload| NewMessage::new(self.kind.clone(), payload));
        self.queue.publish(messages.collect(), PATIENCE).await?;
        Ok(())
    }

    async fn take(&mut self, load: &Load, max: usize, wait: Duration) -> Result<usize> {
        let deliveries = self.queue.receive(max, wait).await?;
        let mut receipts: Vec<Receipt> = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let number = Job::number_of(delivery.message.payload());
            load.tally
                .count(number.context("a payload came back changed")?);
            receipts.push(delivery.receipt);
        }
        let outcomes = self.queue.ack(&receipts).await?;
        let is_done = outcomes
            .iter()
            .all(|outcome| *outcome == SettleOutcome::Done);
        ensure!(is_done, "a lease was lost before its ack");
        Ok(receipts.len())
    }
}

/// How long a publish waits for room that there has to be.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a message counts beside its payload, at most: its kind.
const ENVELOPE: usize = 128;

async fn handle(job: Job, State(load): State<&'static Load>) {
    load.handle(&job);
}
