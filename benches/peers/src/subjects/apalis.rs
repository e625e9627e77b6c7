use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use apalis::layers::WorkerBuilderExt as _;
use apalis::prelude::{BackendExt as _, Data, TaskSink as _, WorkerBuilder};
use apalis_redis::{Config, RedisStorage};
use forebay_bench::{Job, Load, Publisher};
use redis::AsyncCommands as _;

use crate::peer::{Peer, Place, count_all};

/// apalis on its Redis storage, with or without leases.
pub(crate) struct Apalis<const LOCKED: bool> {
    place: Place,
    storage: RedisStorage<Job>,
}

impl<const LOCKED: bool> Peer for Apalis<LOCKED> {
    type Publisher = Pusher;

    async fn open(place: &Place, _: &'static Load) -> Result<Self> {
        let connection = apalis_redis::connect(place.url.as_str()).await?;
        let config = Config::default()
            .queue("jobs")
            // "Larger batches can improve throughput", says the documentation; its own tests use a hundred.
            .batch_size(BATCH)
            // "Can be turned off for tasks that last shorter than a worker heartbeat", which ours do.
            .lock_tasks(LOCKED)
            // Nobody listens. Results have to be kept: without them nothing is ever acked.
            .emit_events(false);
        Ok(Self {
            place: place.clone(),
            storage: RedisStorage::new(connection).with_config(config),
        })
    }

    fn publisher(&self) -> Pusher {
        Pusher(self.storage.clone())
    }

    async fn work(&self, load: &'static Load) -> Result<Infallible> {
        // Without an interval an idle worker looks for jobs at its heartbeat, every 30 seconds.
        let backend = self.storage.clone().poll_with_interval(POLL);
        // Without `parallelize`: a task per job costs more than it gives to handlers that never wait.
        let worker = WorkerBuilder::new("peers")
            .backend(backend)
            .concurrency(load.concurrency)
            .data(Handler { load })
            .build(handle);
        let ended = worker.run().await;
        ended.map_err(|error| anyhow!("{error}"))?;
        bail!("the worker ended");
    }

    async fn count(&self, load: &'static Load) -> Result<()> {
        let mut connection = self.place.connect().await?;
        let key = self.storage.get_config().job_data_hash();
        let payloads: Vec<Vec<u8>> = connection.hvals(key).await?;
        count_all(load, payloads)
    }
}

/// A caller.
pub(crate) struct Pusher(RedisStorage<Job>);

impl Publisher for Pusher {
    async fn publish(&mut self, job: Job) -> Result<()> {
        self.0.push(job).await.map_err(|error| anyhow!("{error}"))
    }
}

/// Jobs of one fetch.
const BATCH: usize = 128;
/// How often an idle worker looks for jobs.
const POLL: Duration = Duration::from_millis(10);

/// What handlers share.
#[derive(Clone, Copy)]
struct Handler {
    load: &'static Load,
}

async fn handle(job: Job, handler: Data<Handler>) {
    handler.load.handle(&job);
}
