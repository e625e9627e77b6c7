use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forebay::core::{Certainty, Error};
use forebay::{Connection, Connector, Delivery, Environment, Kind, NewMessage, Queue, Settings};
use forebay_queue_conformance::checker::{Checker, Report};
use forebay_queue_conformance::history::{History, Mark};
use tokio::time::sleep;

use crate::process::sabotage;
use crate::stage::{dead_letters, rules};
use crate::store::{self, QUEUE, Store};

/// Between two tries.
const POLL: Duration = Duration::from_millis(5);
/// How long a receive waits.
const WAIT: Duration = Duration::from_millis(200);
/// How many messages at once.
const BATCH: usize = 64;

/// An embedded queue in this very process, published to and received from by hand.
pub(super) struct Resident {
    connector: Connector,
    connection: Connection,
    session: Arc<dyn Queue>,
    history: History,
    number: u64,
}

/// How a publish ended.
pub(super) enum Answer {
    Taken,
    /// The disk is full, and nothing was published.
    DiskFull,
    /// Refused for another reason, or nobody knows.
    Other(String),
}

/// What it took to settle some.
#[derive(Default)]
pub(super) struct Settling {
    pub(super) acked: u64,
    /// Calls that had to be repeated.
    pub(super) refused: u64,
    /// How long nothing was handed out although something was ready.
    pub(super) idle: Duration,
    /// With all its repetitions.
    pub(super) slowest: Duration,
}

impl Resident {
    /// Opens the queue in this directory.
    pub(super) async fn open(store: Store, path: &Path, more: &[(&str, &str)]) -> Result<Self> {
        let environment = Environment::system();
        let history = History::new(&environment);
        let settings: Settings = store
            .variables(path, more)
            .chain(sabotage::variable())
            .collect();
        let connector = Connector::new(settings)
            .registry(sabotage::registry())
            .environment(environment)
            .observe(history.for_process(1));
        let connection = connector.connect(QUEUE).await?;
        history.mark(Mark::Lease {
            queue: connection.name().clone(),
            lease: connection.queue().lease(),
        });
        Ok(Self {
            session: connection.session().await?,
            connector,
            connection,
            history,
            number: 0,
        })
    }

    /// Ends it and opens the same directory again. It ends on a full disk too, where it may have to say that there was no
    /// room to tidy up.
    pub(super) async fn restart(&mut self) -> Result<()> {
        let closed = self.connection.backend().close().await;
        if let Err(error) = closed
            && !says_full(&error)
        {
            return Err(error).context("it is not closed");
        }
        let opened = self.connector.connect(QUEUE).await;
        self.connection = opened.context("it is not opened again")?;
        self.session = self.connection.session().await?;
        Ok(())
    }

    pub(super) fn mark(&self, mark: Mark) {
        self.history.mark(mark);
    }

    pub(super) async fn is_up(&self) -> bool {
        self.connection.backend().health().await.is_up()
    }

    pub(super) async fn live(&self) -> Result<u64> {
        let stats = self.connection.management().stats().await;
        Ok(stats.context("it does not tell its counts")?.live())
    }

    /// Publishes so many messages of this size at once.
    pub(super) async fn publish(&mut self, count: u64, size: usize) -> Result<Answer> {
        let kind = Kind::new("work")?;
        let environment = self.connection.environment();
        let messages = (self.number..self.number + count).map(|number| {
            // What cannot be compressed: it takes the room that it says.
            let mut payload = vec![0; size];
            fastrand::Rng::with_seed(number).fill(&mut payload);
            NewMessage::new(kind.clone(), payload).with_id(environment.next_id())
        });
        let messages = messages.collect();
        self.number += count;
        let answer = self.connection.queue().publish(messages, Duration::ZERO);
        Ok(match answer.await {
            Ok(_) => Answer::Taken,
            Err(error) if says_full(&error) => Answer::DiskFull,
            Err(error) => Answer::Other(format!("{:#}", anyhow::Error::new(error))),
        })
    }

    /// Receives and acks until this many are left. What is refused is tried again for as long as the limit says.
    pub(super) async fn settle(&self, left: u64, limit: Duration) -> Result<Settling> {
        let mut settling = Settling::default();
        loop {
            let ask = || self.connection.management().stats();
            let stats = settling.again("counts", limit, ask).await?;
            let live = stats.live();
            if live <= left {
                return Ok(settling);
            }
            let most = usize::try_from(live - left)?.min(BATCH);
            let receive = || self.session.receive(most, WAIT);
            let began = Instant::now();
            let deliveries: Vec<Delivery> = settling.again("a receive", limit, receive).await?;
            if deliveries.is_empty() {
                // The store takes no lease now: what it cannot write down it does not hand out.
                settling.idle += began.elapsed();
                ensure!(settling.idle < limit, "nothing is handed out of {stats:?}");
                continue;
            }
            let receipts: Vec<_> = deliveries.iter().map(|one| one.receipt.clone()).collect();
            settling
                .again("an ack", limit, || self.session.ack(&receipts))
                .await?;
            settling.acked += receipts.len() as u64;
        }
    }

    /// Ends it, and judges all of it by what is there after one more start.
    pub(super) async fn judge(mut self) -> Result<Report> {
        self.restart().await?;
        let stats = self.connection.management().stats().await?;
        let dead = dead_letters(&self.connection).await?;
        self.mark(Mark::rest(self.connection.name(), &stats, dead));
        self.connection.backend().close().await?;
        Ok(Checker::new(rules(64, 64)).check(&self.history.records()))
    }
}

impl Settling {
    async fn again<T, F>(&mut self, what: &str, limit: Duration, call: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let began = Instant::now();
        loop {
            match call().await {
                Ok(answer) => {
                    self.slowest = self.slowest.max(began.elapsed());
                    return Ok(answer);
                }
                Err(error) if error.is_retryable() && began.elapsed() < limit => self.refused += 1,
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("{what}, tried {} times", self.refused));
                }
            }
            // tidy: sleep — between two tries, under the limit above
            sleep(POLL).await;
        }
    }
}

/// Unavailable because the disk is full, and it says so; certainly nothing happened.
fn says_full(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. })
        && error.certainty() == Certainty::NotDone
        && store::cause(error)
            .is_some_and(|cause| cause.is_full() && cause.to_string().contains("the disk is full"))
}
