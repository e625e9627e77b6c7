use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, Result};
use broccoli_queue::brokers::broker::BrokerMessage;
use broccoli_queue::queue::{BroccoliQueue, ConsumeOptions};
use forebay_bench::{Job, Load, Publisher};
use redis::AsyncCommands as _;
use tokio::task::JoinSet;

use crate::peer::{Peer, Place, count_all};

/// `broccoli_queue` on its Redis broker.
pub(crate) struct Broccoli {
    place: Place,
    queue: BroccoliQueue,
}

impl Peer for Broccoli {
    type Publisher = Caller;

    async fn open(place: &Place, _: &'static Load) -> Result<Self> {
        let builder = BroccoliQueue::builder(&place.url).pool_connections(CONNECTIONS);
        Ok(Self {
            place: place.clone(),
            queue: builder.build().await?,
        })
    }

    fn publisher(&self) -> Caller {
        Caller(self.queue.clone())
    }

    /// By `consume` and `acknowledge`, as its own benchmark does (`benches/redis_benchmark.rs` of its package). `process_messages` drains
    /// as fast, but a task of it spins, and the wait that makes it look for messages sooner makes it wait before each of them too.
    async fn work(&self, load: &'static Load) -> Result<Infallible> {
        let mut slots = JoinSet::new();
        for _ in 0..load.concurrency {
            slots.spawn(consume(self.queue.clone(), load));
        }
        slots.join_next().await.context("there are slots")??
    }

    async fn count(&self, load: &'static Load) -> Result<()> {
        let mut connection = self.place.connect().await?;
        let ids: Vec<String> = connection.zrange(QUEUE, 0, -1).await?;
        let mut pipeline = redis::pipe();
        for id in ids {
            pipeline.hget(id, "payload");
        }
        let payloads: Vec<Vec<u8>> = pipeline.query_async(&mut connection).await?;
        count_all(load, payloads)
    }
}

/// A caller.
pub(crate) struct Caller(BroccoliQueue);

impl Publisher for Caller {
    async fn publish(&mut self, job: Job) -> Result<()> {
        self.0.publish(QUEUE, None, &job, None).await?;
        Ok(())
    }
}

async fn consume(queue: BroccoliQueue, load: &'static Load) -> Result<Infallible> {
    let options = ConsumeOptions::builder().auto_ack(false).consume_wait(POLL);
    let options = options.build();
    loop {
        let message = queue.consume(QUEUE, Some(options.clone())).await?;
        let message: BrokerMessage<Job> = message;
        load.handle(&message.payload);
        queue.acknowledge(QUEUE, message).await?;
    }
}

const QUEUE: &str = "jobs";
/// Of the pool: the default, and what its own benchmark sets. Each is shared by whoever has asked for it, and more of them cost more than
/// they give.
const CONNECTIONS: u8 = 10;
/// How often each idle slot looks for messages: "time to wait between iterations of tight consumer loops". The default is half a
/// second, and half of that is the latency then. Less than this, down to the millisecond of its own tests, has 64 slots ask all the time.
const POLL: Duration = Duration::from_millis(20);
