use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use async_channel::{Receiver, Sender};
use forebay_bench::{Job, Load, Publisher};
use omniqueue::Delivery;
use omniqueue::backends::redis::RedisConnectionManager;
use omniqueue::backends::{RedisBackend, RedisConfig, RedisConsumer, RedisProducer};
use tokio::task::JoinSet;

use crate::peer::{Peer, Place, count_all};

/// omniqueue on Redis Streams.
pub(crate) struct Omniqueue {
    place: Place,
    producer: Arc<RedisProducer<RedisConnectionManager>>,
}

impl Peer for Omniqueue {
    type Publisher = Sending;

    async fn open(place: &Place, _: &'static Load) -> Result<Self> {
        // It expects to find its group.
        let mut connection = place.connect().await?;
        let mut group = redis::cmd("XGROUP");
        group
            .arg("CREATE")
            .arg(STREAM)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM");
        group.query_async::<()>(&mut connection).await?;
        let producer = RedisBackend::builder(config(&place.url, "producer")).build_producer();
        Ok(Self {
            place: place.clone(),
            producer: Arc::new(producer.await?),
        })
    }

    fn publisher(&self) -> Sending {
        Sending(Arc::clone(&self.producer))
    }

    /// It brings no worker: readers that take many messages a call feed handlers that ack one by one, as its deliveries do.
    async fn work(&self, load: &'static Load) -> Result<Infallible> {
        let (sender, receiver) = async_channel::bounded(load.concurrency);
        let mut tasks = JoinSet::new();
        for reader in 0..READERS {
            let config = config(&self.place.url, &format!("reader-{reader}"));
            let consumer = RedisBackend::builder(config).build_consumer().await?;
            tasks.spawn(read(consumer, sender.clone()));
        }
        for _ in 0..load.concurrency {
            tasks.spawn(handle(receiver.clone(), load));
        }
        tasks.join_next().await.context("there are tasks")???;
        bail!("a reader or a handler ended");
    }

    async fn count(&self, load: &'static Load) -> Result<()> {
        let mut connection = self.place.connect().await?;
        let mut range = redis::cmd("XRANGE");
        range.arg(STREAM).arg("-").arg("+");
        let entries: Vec<(String, Vec<Vec<u8>>)> = range.query_async(&mut connection).await?;
        // The first field is its payload.
        let payloads = entries
            .into_iter()
            .map(|(_, mut fields)| fields.swap_remove(1));
        count_all(load, payloads)
    }
}

/// A caller.
pub(crate) struct Sending(Arc<RedisProducer<RedisConnectionManager>>);

impl Publisher for Sending {
    async fn publish(&mut self, job: Job) -> Result<()> {
        self.0.send_serde_json(&job).await?;
        Ok(())
    }
}

fn config(url: &str, consumer: &str) -> RedisConfig {
    RedisConfig {
        dsn: url.to_owned(),
        max_connections: CONNECTIONS,
        reinsert_on_nack: false,
        queue_key: STREAM.to_owned(),
        delayed_queue_key: format!("{STREAM}::delayed"),
        delayed_lock_key: format!("{STREAM}::delayed_lock"),
        consumer_group: GROUP.to_owned(),
        consumer_name: consumer.to_owned(),
        payload_key: "payload".to_owned(),
        ack_deadline_ms: 30_000,
        dlq_config: None,
        sentinel_config: None,
    }
}

async fn read(
    mut consumer: RedisConsumer<RedisConnectionManager>,
    sender: Sender<Delivery>,
) -> Result<()> {
    loop {
        for delivery in consumer.receive_all(BATCH, Duration::from_secs(1)).await? {
            sender.send(delivery).await?;
        }
    }
}

async fn handle(receiver: Receiver<Delivery>, load: &'static Load) -> Result<()> {
    while let Ok(delivery) = receiver.recv().await {
        let job: Option<Job> = delivery.payload_serde_json()?;
        load.handle(&job.context("a delivery without a payload")?);
        delivery.ack().await.map_err(|(error, _)| anyhow!(error))?;
    }
    Ok(())
}

const STREAM: &str = "jobs";
const GROUP: &str = "workers";
/// Tasks that fetch.
const READERS: usize = 1;
/// Messages of one fetch.
const BATCH: usize = 128;
/// Of each pool: 8 to 64 drain alike, and with fewer than 16 publishing gets slower. Every checkout costs a PING, which cannot be
/// turned off from outside.
const CONNECTIONS: u16 = 16;
