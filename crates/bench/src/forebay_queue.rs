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

use crate::job::Job;
use crate::load::Load;
use crate::subject::{Publisher, RawCaller, Site, Subject};

/// forebay on the backend of its settings, opened through the facade like any application does it.
#[derive(Debug)]
pub struct ForebayQueue {
    settings: Settings,
    registry: Registry,
    opened: AtomicU32,
}

impl ForebayQueue {
    /// With the settings of an application, `QUEUE_BACKEND` among them, and the backends to choose from.
    pub fn new(settings: Settings, registry: Registry) -> Self {
        Self {
            settings,
            registry,
            opened: AtomicU32::new(0),
        }
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
        let connector = Connector::new(settings).registry(self.registry.clone());
        let connection = connector.connect(&name).await?;
        let site = ForebaySite { connection };
        site.check_payload(load)?;
        Ok(site)
    }
}

/// A queue of one round.
#[derive(Debug)]
pub struct ForebaySite {
    connection: Connection,
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
        Ok(())
    }
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
