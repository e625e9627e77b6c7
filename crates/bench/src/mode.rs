use std::fmt;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::ValueEnum;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep_until};

use crate::clock::{Clock, Took};
use crate::load::Load;
use crate::subject::{Publisher, RawCaller, Site, Subject};
use crate::tally::Tally;

/// What a round does, and what its clock covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Callers that publish, receive and ack batches on the queue itself, without a worker.
    Raw,
    /// Callers that publish typed tasks one by one.
    Publish,
    /// Callers that publish messages one by one on the queue itself, and one more that receives and acks batches.
    Stream,
    /// A full queue, worked off by a worker.
    Drain,
    /// Publishers and a worker at once.
    Combined,
    /// Publishers at a fixed rate and a worker: the latency from publish to handler start.
    Steady,
}

impl fmt::Display for Mode {
    /// As it is given with `--mode`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Publish => "publish",
            Self::Stream => "stream",
            Self::Drain => "drain",
            Self::Combined => "combined",
            Self::Steady => "steady",
        })
    }
}

impl Mode {
    /// Runs one round on a new queue; answers how long its timed part took. The load's tally has counted when it ends.
    ///
    /// # Errors
    /// When the subject fails. A message that is lost is no error here.
    pub async fn round<S: Subject>(self, subject: &S, load: &'static Load) -> Result<Took> {
        load.reset();
        let site = subject.open(load).await?;
        let took = match self {
            Self::Raw => raw(&site, load).await?,
            Self::Publish => publish(&site, load).await?,
            Self::Stream => stream(&site, load).await?,
            Self::Drain => drain(&site, load).await?,
            Self::Combined | Self::Steady => combined(&site, load).await?,
        };
        site.sweep(load).await?;
        Ok(took)
    }
}

async fn raw(site: &impl Site, load: &'static Load) -> Result<Took> {
    let mut callers = Vec::new();
    for index in 0..load.concurrency {
        // Made before the time counts.
        let numbers: Vec<_> = load.share(index).collect();
        let payloads = |batch: &[u32]| batch.iter().map(|n| load.jobs.payload(*n)).collect();
        let batches: Vec<Vec<Bytes>> = numbers.chunks(load.batch).map(payloads).collect();
        callers.push((site.raw_caller(load).await?, batches));
    }
    let clock = Clock::start();
    let mut tasks = JoinSet::new();
    for (caller, batches) in callers {
        tasks.spawn(cycle(caller, batches, load));
    }
    join(tasks).await?;
    Ok(clock.stop())
}

/// Publishes a batch, takes as many messages as there are, and so on; then takes until all have come.
async fn cycle(
    mut caller: impl RawCaller,
    batches: Vec<Vec<Bytes>>,
    load: &'static Load,
) -> Result<()> {
    for batch in batches {
        caller.publish(batch).await?;
        caller.take(load, load.batch, Duration::ZERO).await?;
        consume_budget().await;
    }
    take_all(caller, load).await
}

/// Takes until all have come, or nothing new has come for long.
async fn take_all(mut caller: impl RawCaller, load: &'static Load) -> Result<()> {
    let mut last = Instant::now();
    while !load.tally.is_done() && last.elapsed() < Tally::STALLED {
        if caller.take(load, load.batch, REST).await? > 0 {
            last = Instant::now();
        }
        consume_budget().await;
    }
    Ok(())
}

async fn stream(site: &impl Site, load: &'static Load) -> Result<Took> {
    let mut callers = Vec::new();
    for index in 0..load.concurrency {
        // Made before the time counts.
        let payloads: Vec<Bytes> = load.share(index).map(|n| load.jobs.payload(n)).collect();
        callers.push((site.raw_caller(load).await?, payloads));
    }
    let consumer = site.raw_caller(load).await?;
    let clock = Clock::start();
    let mut tasks = JoinSet::new();
    for (mut caller, payloads) in callers {
        tasks.spawn(async move {
            for payload in payloads {
                caller.publish(vec![payload]).await?;
                consume_budget().await;
            }
            Ok(())
        });
    }
    tasks.spawn(take_all(consumer, load));
    join(tasks).await?;
    Ok(clock.stop())
}

async fn publish(site: &impl Site, load: &'static Load) -> Result<Took> {
    let clock = Clock::start();
    join(publishers(site, load)).await?;
    Ok(clock.stop())
}

async fn drain(site: &impl Site, load: &'static Load) -> Result<Took> {
    let payloads = (0..load.messages).map(|number| load.jobs.payload(number));
    site.fill(load, payloads).await?;
    let clock = Clock::start();
    site.work(load).await?;
    Ok(clock.stop())
}

async fn combined(site: &impl Site, load: &'static Load) -> Result<Took> {
    let clock = Clock::start();
    tokio::try_join!(join(publishers(site, load)), site.work(load))?;
    Ok(clock.stop())
}

fn publishers(site: &impl Site, load: &'static Load) -> JoinSet<Result<()>> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for index in 0..load.concurrency {
        tasks.spawn(publish_share(site.publisher(), index, start, load));
    }
    tasks
}

async fn publish_share(
    mut publisher: impl Publisher,
    caller: usize,
    start: Instant,
    load: &'static Load,
) -> Result<()> {
    for number in load.share(caller) {
        let job = load.jobs.job(number);
        if let Some(latencies) = &load.latencies {
            let due = load.due(number, start);
            sleep_until(due).await;
            latencies.publishes(number, due.elapsed());
        }
        publisher.publish(job).await?;
        // A real caller comes from a connection that it waits for; this one must not keep the handlers of its thread
        // from running.
        consume_budget().await;
    }
    Ok(())
}

/// Waits for all; the first failure ends the others.
async fn join(mut tasks: JoinSet<Result<()>>) -> Result<()> {
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

/// How long a raw caller waits for what other callers have published.
const REST: Duration = Duration::from_millis(20);
