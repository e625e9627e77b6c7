use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use async_channel::Receiver;
use forebay_bench::{Job, Load, Publisher};
use rustqueue::RustQueue as Library;
use tokio::task::JoinSet;
use tokio::task::coop::consume_budget;
use tokio::time::sleep;

use crate::peer::{Peer, Place};

/// rustqueue as a library, on redb, where every commit is synced; with or without its coalescing of writes, which answers after
/// the commit as well.
pub(crate) struct RustQueue<const COALESCED: bool> {
    library: Library,
}

impl<const COALESCED: bool> Peer for RustQueue<COALESCED> {
    type Publisher = Pusher;

    async fn open(place: &Place, _: &'static Load) -> Result<Self> {
        let file = Path::new(&place.url).join("jobs.redb");
        let builder = Library::redb(file)?;
        let builder = if COALESCED {
            builder.with_write_coalescing(Coalescing::default())
        } else {
            builder
        };
        Ok(Self {
            library: builder.build()?,
        })
    }

    fn publisher(&self) -> Pusher {
        Pusher(self.library.clone())
    }

    /// Its own worker does one job at a time; this one takes batches, and has as many handlers as everybody.
    async fn work(&self, load: &'static Load) -> Result<Infallible> {
        let (sender, jobs) = async_channel::bounded(2 * BATCH as usize);
        let mut tasks = JoinSet::new();
        for _ in 0..load.concurrency {
            tasks.spawn(handle(self.library.clone(), jobs.clone(), load));
        }
        let library = self.library.clone();
        tasks.spawn(async move {
            loop {
                let pulled = library.pull(QUEUE, BATCH).await?;
                if pulled.is_empty() {
                    sleep(POLL).await;
                }
                for job in pulled {
                    sender.send(job).await?;
                }
            }
        });
        match tasks.join_next().await {
            Some(ended) => ended??,
            None => bail!("there are no tasks"),
        }
        bail!("the puller or a handler ended");
    }

    async fn count(&self, load: &'static Load) -> Result<()> {
        loop {
            let pulled = self.library.pull(QUEUE, BATCH).await?;
            if pulled.is_empty() {
                return Ok(());
            }
            for job in pulled {
                let job: Job = serde_json::from_value(job.data)?;
                load.tally.count(job.number);
            }
        }
    }
}

/// A caller.
pub(crate) struct Pusher(Library);

impl Publisher for Pusher {
    async fn publish(&mut self, job: Job) -> Result<()> {
        let data = serde_json::to_value(job)?;
        let pushed = self.0.push(QUEUE, "job", data, None).await;
        pushed.map_err(|error| anyhow!("{error}"))?;
        Ok(())
    }
}

async fn handle(
    library: Library,
    jobs: Receiver<rustqueue::Job>,
    load: &'static Load,
) -> Result<()> {
    while let Ok(pulled) = jobs.recv().await {
        let job: Job = serde_json::from_value(pulled.data)?;
        load.handle(&job);
        library.ack(pulled.id, None).await?;
        consume_budget().await;
    }
    Ok(())
}

type Coalescing = rustqueue::storage::BufferedRedbConfig;

const QUEUE: &str = "jobs";
/// Jobs of one pull.
const BATCH: u32 = 128;
/// How often an idle worker looks for jobs.
const POLL: Duration = Duration::from_millis(1);
