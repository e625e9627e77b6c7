use std::convert::Infallible;

use anyhow::{Result, bail};
use forebay_bench::{Job, Load, Publisher};
use redis::AsyncCommands as _;
use serde::Deserialize;
use sidekiq::{Processor, ProcessorConfig, RedisConnectionManager, RedisPool, Worker};
use tokio::task::JoinSet;

use crate::peer::{Peer, Place};

/// rusty-sidekiq.
pub(crate) struct Sidekiq {
    place: Place,
    /// "It's recommended to use separate Redis connection pools for pushing jobs to Redis vs fetching jobs."
    enqueue: RedisPool,
    fetch: RedisPool,
}

impl Peer for Sidekiq {
    type Publisher = Enqueue;

    async fn open(place: &Place, load: &'static Load) -> Result<Self> {
        let size = u32::try_from(load.concurrency)?;
        Ok(Self {
            place: place.clone(),
            enqueue: pool(&place.url, size).await?,
            // A worker without a connection waits for one that blocks for two seconds; so each has its own, and there are
            // some for what runs beside them.
            fetch: pool(&place.url, size + 4).await?,
        })
    }

    fn publisher(&self) -> Enqueue {
        Enqueue(self.enqueue.clone())
    }

    async fn work(&self, load: &'static Load) -> Result<Infallible> {
        let config = ProcessorConfig::default().num_workers(load.concurrency);
        let queues = vec!["default".to_owned()];
        let mut processor = Processor::new(self.fetch.clone(), queues).with_config(config);
        processor.register(CountJob { load });
        // In a task, so that it ends with this future.
        let mut tasks = JoinSet::new();
        tasks.spawn(processor.run());
        tasks.join_next().await.transpose()?;
        bail!("the processor ended");
    }

    async fn count(&self, load: &'static Load) -> Result<()> {
        let mut connection = self.place.connect().await?;
        let entries: Vec<String> = connection.lrange("queue:default", 0, -1).await?;
        for entry in entries {
            let Entry { args: (job,) } = serde_json::from_str(&entry)?;
            load.tally.count(job.number);
        }
        Ok(())
    }
}

async fn pool(url: &str, size: u32) -> Result<RedisPool> {
    let manager = RedisConnectionManager::new(url)?;
    let builder = bb8::Pool::builder().max_size(size);
    // A PING before each command would halve its speed; the pool is the application's to build.
    Ok(builder.test_on_check_out(false).build(manager).await?)
}

/// What it stores for a job.
#[derive(Deserialize)]
struct Entry {
    args: (Job,),
}

/// A caller.
pub(crate) struct Enqueue(RedisPool);

impl Publisher for Enqueue {
    async fn publish(&mut self, job: Job) -> Result<()> {
        CountJob::perform_async(&self.0, job).await?;
        Ok(())
    }
}

#[derive(Clone)]
struct CountJob {
    load: &'static Load,
}

#[async_trait::async_trait]
impl Worker<Job> for CountJob {
    async fn perform(&self, job: Job) -> sidekiq::Result<()> {
        self.load.handle(&job);
        Ok(())
    }
}
