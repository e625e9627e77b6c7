use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use forebay_bench::{Job, Load, Publisher, RawCaller, Site, Subject};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use tokio::task::JoinSet;

/// A job queue on Redis, or in this process: what it has to show to be measured with the house's own modes.
pub(crate) trait Peer: Send + Sync + Sized + 'static {
    /// One of the callers.
    type Publisher: Publisher;

    /// Connects to an empty Redis, or opens an empty folder.
    fn open(place: &Place, load: &'static Load) -> impl Future<Output = Result<Self>> + Send;

    /// A new caller.
    fn publisher(&self) -> Self::Publisher;

    /// Works with [`Load::concurrency`] handlers that decode each [`Job`] and give it to [`Load::handle`], until the future
    /// is dropped. Ends on its own only when it cannot go on.
    fn work(&self, load: &'static Load) -> impl Future<Output = Result<Infallible>> + Send;

    /// Gives every message that has been published to the tally, after a round that only published. Not timed. It looks into
    /// Redis, because the peers' own workers would take longer for it than the round.
    fn count(&self, load: &'static Load) -> impl Future<Output = Result<()>> + Send;
}

/// Where a peer works.
#[derive(Clone)]
pub(crate) struct Place {
    /// The address of a Redis that nobody else uses; for a queue in this process, an empty folder.
    pub(crate) url: String,
    /// How many tasks fetch, on the bare client.
    pub(crate) readers: usize,
}

impl Place {
    /// A connection with a patience of its own: the client gives up after half a second, and reads that block or bring
    /// everything take longer.
    pub(crate) async fn connect(&self) -> Result<MultiplexedConnection> {
        let client = Client::open(self.url.as_str())?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        connection.await.context("cannot connect")
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

/// Gives payloads to the tally.
pub(crate) fn count_all(
    load: &Load,
    payloads: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Result<()> {
    for payload in payloads {
        let number = Job::number_of(payload.as_ref());
        load.tally
            .count(number.context("a payload came back changed")?);
    }
    Ok(())
}

/// A [`Peer`] as a subject of the house's bench.
pub(crate) struct PeerSubject<P> {
    name: &'static str,
    place: Place,
    load: &'static Load,
    peer: PhantomData<fn() -> P>,
}

impl<P> PeerSubject<P> {
    /// At a place, with the load that its round carries.
    pub(crate) fn new(name: &'static str, place: Place, load: &'static Load) -> Self {
        Self {
            name,
            place,
            load,
            peer: PhantomData,
        }
    }
}

impl<P: Peer> Subject for PeerSubject<P> {
    type Site = PeerSite<P>;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn open(&self, _: &Load) -> Result<PeerSite<P>> {
        Ok(PeerSite {
            peer: P::open(&self.place, self.load).await?,
            load: self.load,
            has_worked: AtomicBool::new(false),
        })
    }
}

/// A peer during one round.
pub(crate) struct PeerSite<P> {
    peer: P,
    load: &'static Load,
    has_worked: AtomicBool,
}

impl<P: Peer> Site for PeerSite<P> {
    type Publisher = P::Publisher;
    type RawCaller = NoBatches;

    fn publisher(&self) -> P::Publisher {
        self.peer.publisher()
    }

    async fn raw_caller(&self, _: &Load) -> Result<NoBatches> {
        bail!("peers have no raw mode: none of them takes, leases and acks in batches")
    }

    /// By as many callers as the load has: most peers publish one message a call.
    async fn fill(&self, load: &Load, payloads: impl Iterator<Item = Bytes> + Send) -> Result<()> {
        let mut shares = vec![Vec::new(); load.concurrency];
        for (index, payload) in payloads.enumerate() {
            let job: Job = serde_json::from_slice(&payload)?;
            shares[index % load.concurrency].push(job);
        }
        let mut callers = JoinSet::new();
        for share in shares {
            let mut publisher = self.peer.publisher();
            callers.spawn(async move {
                for job in share {
                    publisher.publish(job).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller??;
        }
        Ok(())
    }

    async fn work(&self, load: &'static Load) -> Result<()> {
        self.has_worked.store(true, Ordering::Relaxed);
        until_counted(&self.peer, load).await
    }

    /// What a worker left behind is removed with the whole Redis before the next round.
    async fn sweep(self, _: &Load) -> Result<()> {
        if self.has_worked.into_inner() {
            return Ok(());
        }
        let counted = self.peer.count(self.load).await;
        counted.context("what was published cannot be counted")
    }
}

/// A peer is not asked to stop gracefully: its time ends with the last message, which does it no harm.
async fn until_counted<P: Peer>(peer: &P, load: &'static Load) -> Result<()> {
    tokio::select! {
        biased;
        () = load.tally.done_or_stalled() => Ok(()),
        ended = peer.work(load) => match ended? {},
    }
}

/// There is none.
pub(crate) enum NoBatches {}

impl RawCaller for NoBatches {
    async fn publish(&mut self, _: Vec<Bytes>) -> Result<()> {
        match *self {}
    }

    async fn take(&mut self, _: &Load, _: usize, _: Duration) -> Result<usize> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use async_channel::{Receiver, Sender};
    use forebay_bench::{Jobs, Mode, Side as _, Tally};

    use super::*;

    /// A queue in memory whose worker ends where a number is missing.
    struct Channel(Sender<Job>, Receiver<Job>);

    struct Caller(Sender<Job>);

    impl Peer for Channel {
        type Publisher = Caller;

        async fn open(_: &Place, _: &'static Load) -> Result<Self> {
            let (sender, receiver) = async_channel::unbounded();
            Ok(Self(sender, receiver))
        }

        fn publisher(&self) -> Caller {
            Caller(self.0.clone())
        }

        async fn work(&self, load: &'static Load) -> Result<Infallible> {
            loop {
                let job = self.1.recv().await?;
                if job.number == POISON {
                    bail!("the worker ended");
                }
                load.handle(&job);
            }
        }

        async fn count(&self, load: &'static Load) -> Result<()> {
            until_counted(self, load).await
        }
    }

    impl Publisher for Caller {
        async fn publish(&mut self, job: Job) -> Result<()> {
            Ok(self.0.send(job).await?)
        }
    }

    const POISON: u32 = 500;

    async fn round(mode: Mode, messages: u32) -> (Result<forebay_bench::Took>, &'static Load) {
        let load = Load {
            messages,
            payload: 128,
            batch: 1,
            concurrency: 7,
            prefetch: None,
            rate: None,
            jobs: Jobs::new(128),
            tally: Tally::new(messages),
            latencies: None,
        };
        let load = load.leak();
        let place = Place {
            url: String::new(),
            readers: 1,
        };
        let subject = PeerSubject::<Channel>::new("channel", place, load);
        (subject.round(mode, load).await, load)
    }

    #[tokio::test]
    async fn every_mode_counts_every_message_once() {
        for mode in [Mode::Publish, Mode::Drain, Mode::Combined] {
            let (took, load) = round(mode, 100).await;
            took.unwrap();
            assert_eq!(
                (load.tally.lost(), load.tally.duplicates()),
                (0, 0),
                "{mode}"
            );
        }
    }

    #[tokio::test]
    async fn a_worker_that_ends_is_an_error_in_every_mode() {
        for mode in [Mode::Publish, Mode::Drain, Mode::Combined] {
            let (took, load) = round(mode, POISON + 1).await;
            let error = format!("{:#}", took.unwrap_err());
            assert!(error.contains("the worker ended"), "{mode}: {error}");
            assert!(load.tally.lost() > 0, "{mode}");
        }
    }

    #[tokio::test]
    async fn there_is_no_raw_mode() {
        let (took, _) = round(Mode::Raw, 1).await;
        assert!(took.unwrap_err().to_string().contains("no raw mode"));
    }
}
