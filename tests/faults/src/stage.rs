use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use forebay::core::PageRequest;
use forebay::{
    Connection, Connector, DeadLetterFilter, Environment, MessageId, QueueName, Settings, Stats,
    Timestamp,
};
use forebay_queue_conformance::checker::{Checker, Report, Rules};
use forebay_queue_conformance::history::{History, Mark, Party, Record};
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::ground::until;
use crate::role::{Orders, Publishing, Role, Working};
use crate::store::{self, QUEUE, Store};

/// An environment variable and its value.
pub(crate) type Setting<'a> = (&'a str, &'a str);

/// How far the clocks of processes and server may be apart: they read the same machine's, each at its start.
pub(crate) const SKEW: Duration = Duration::from_millis(20);
/// Between two looks at the counts.
const POLL: Duration = Duration::from_millis(5);
/// How long a call for the counts is repeated while the server is away.
const AWAY: Duration = Duration::from_secs(30);

/// One queue, the processes that work on it, and what the whole of them went through.
pub(crate) struct Stage {
    folder: PathBuf,
    queue: QueueName,
    variables: Vec<(String, String)>,
    environment: Environment,
    looker: Looker,
    lease: Duration,
    /// What the scenario itself did; process 0.
    history: History,
    logs: Vec<PathBuf>,
}

/// Whoever looks on. Nothing of it is in the history.
enum Looker {
    /// Beside the processes.
    Beside(Connection),
    /// When none of them runs: one process at a time has an embedded queue.
    Between(Connector),
}

impl Stage {
    /// Creates the queue on a server.
    pub(crate) async fn open(folder: &Path, url: &str, settings: &[Setting<'_>]) -> Result<Self> {
        let own = [("QUEUE_BACKEND", "redis"), ("REDIS_URL", url)];
        let both = own.iter().chain(settings);
        let variables: Vec<_> = both
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (_, connection) = connect(&variables).await?;
        let looker = Looker::Beside(connection.clone());
        Ok(Self::new(
            folder,
            variables,
            connection.environment().clone(),
            &connection,
            looker,
        ))
    }

    /// Creates an embedded queue in a directory of its own. One process after the other has it; the counts can be asked
    /// for when none of them runs.
    pub(crate) async fn embedded(
        folder: &Path,
        store: Store,
        path: &Path,
        settings: &[Setting<'_>],
    ) -> Result<Self> {
        let variables = store.variables(path, settings).collect::<Vec<_>>();
        let (connector, connection) = connect(&variables).await?;
        let looker = Looker::Between(connector);
        let stage = Self::new(
            folder,
            variables,
            connection.environment().clone(),
            &connection,
            looker,
        );
        connection.backend().close().await?;
        Ok(stage)
    }

    fn new(
        folder: &Path,
        variables: Vec<(String, String)>,
        environment: Environment,
        connection: &Connection,
        looker: Looker,
    ) -> Self {
        let history = History::new(&environment);
        let (queue, lease) = (connection.name().clone(), connection.queue().lease());
        history.mark(Mark::Lease {
            queue: queue.clone(),
            lease,
        });
        Self {
            folder: folder.to_owned(),
            queue,
            variables,
            environment,
            looker,
            lease,
            history,
            logs: Vec::new(),
        }
    }

    /// Gives later processes another value of a variable, such as the URL of a proxy.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Whoever looks on, connected to the server itself.
    ///
    /// # Errors
    /// Where there is none: nobody is beside the process that has an embedded queue.
    pub(crate) fn connection(&self) -> Result<&Connection> {
        match &self.looker {
            Looker::Beside(connection) => Ok(connection),
            Looker::Between(_) => bail!("nobody is connected beside the process"),
        }
    }

    /// The lease of the queue.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    /// Starts a process, and waits until it is connected.
    pub(crate) async fn start(&mut self, role: Role) -> Result<Child> {
        let number = u32::try_from(self.logs.len() + 1)?;
        let history = self.folder.join(format!("{number}.jsonl"));
        self.logs.push(history.clone());
        let orders = Orders {
            number,
            queue: self.queue.to_string(),
            history,
            role,
        };
        let mut child = Child::start(&orders, &self.variables)?;
        child.ready().await?;
        Ok(child)
    }

    /// Starts a worker.
    pub(crate) async fn worker(&mut self, working: Working) -> Result<Child> {
        self.start(Role::Work(working)).await
    }

    /// Publishes by a process of its own, and waits until it is done.
    pub(crate) async fn publish(&mut self, publishing: Publishing, limit: Duration) -> Result<()> {
        let mut child = self.start(Role::Publish(publishing)).await?;
        child.succeeded(limit).await
    }

    /// Ends a process without a word, and writes that down.
    pub(crate) async fn kill(&self, mut child: Child) -> Result<()> {
        child.kill().await?;
        let process = child.number;
        self.history.mark(Mark::Killed { process });
        Ok(())
    }

    /// Writes down that a process that ended itself without a word was killed.
    pub(crate) fn died(&self, child: &Child) {
        let process = child.number;
        self.history.mark(Mark::Killed { process });
    }

    /// Asks a process to end (SIGTERM), waits for it, and fails unless it says that all is well.
    pub(crate) async fn stop(&self, mut child: Child, limit: Duration) -> Result<Duration> {
        let process = child.number;
        self.history.mark(Mark::ShutdownBegan { process, limit });
        let began = Instant::now();
        child.signal(nix::sys::signal::Signal::SIGTERM)?;
        let ended = child.succeeded(limit + Duration::from_secs(10)).await;
        let took = began.elapsed();
        self.history.mark(Mark::ShutdownEnded {
            process,
            took,
            limit,
        });
        ended?;
        Ok(took)
    }

    /// Closes the input of a process that receives by hand, and waits for its end.
    pub(crate) async fn dismiss(&self, mut child: Child) -> Result<()> {
        child.dismiss();
        child.succeeded(Duration::from_secs(10)).await
    }

    /// The time, as the histories have it.
    pub(crate) fn now(&self) -> Timestamp {
        self.environment.now()
    }

    /// Writes something down.
    pub(crate) fn mark(&self, mark: Mark) {
        self.history.mark(mark);
    }

    /// The server was stopped, by whatever means.
    pub(crate) fn store_stopped(&self) {
        let party = Party::Store;
        self.mark(Mark::Stopped { party });
    }

    /// The server answers again.
    pub(crate) fn store_runs(&self) {
        let party = Party::Store;
        self.mark(Mark::Restarted { party });
    }

    /// So many faults of this name are going to happen; one that does not fails the run.
    pub(crate) fn plan(&self, fault: &str, times: u64) {
        for _ in 0..times {
            let fault = fault.to_owned();
            self.mark(Mark::FaultPlanned { fault });
        }
    }

    /// One of them has happened.
    pub(crate) fn fired(&self, fault: &str) {
        let fault = fault.to_owned();
        self.mark(Mark::FaultFired { fault });
    }

    /// The counts of the queue. While the server is away they are asked for again, for at most 30 s.
    pub(crate) async fn stats(&self) -> Result<Stats> {
        let began = Instant::now();
        loop {
            let stats = self.look(async |connection| Ok(connection.management().stats().await));
            match stats.await? {
                Ok(stats) => return Ok(stats),
                Err(error) if began.elapsed() > AWAY || !error.is_retryable() => {
                    return Err(error).context("the queue does not tell its counts");
                }
                // tidy: sleep — between two looks, under the limit above
                Err(_) => sleep(POLL).await,
            }
        }
    }

    /// Waits until no more than this many messages are scheduled, ready or leased.
    pub(crate) async fn until_live(&self, most: u64, limit: Duration) -> Result<Duration> {
        let what = format!("at most {most} live messages");
        until(
            &what,
            limit,
            async || Ok(self.stats().await?.live() <= most),
        )
        .await
    }

    /// Waits until this many messages are leased.
    pub(crate) async fn until_leased(&self, least: u64, limit: Duration) -> Result<Duration> {
        let what = format!("at least {least} leased messages");
        until(&what, limit, async || {
            Ok(self.stats().await?.leased >= least)
        })
        .await
    }

    /// The last fault is over: waits until the queue has drained.
    pub(crate) async fn drain(&self, limit: Duration) -> Result<Duration> {
        self.mark(Mark::Healed);
        let took = self.until_live(0, limit).await?;
        self.mark(Mark::Drained);
        Ok(took)
    }

    /// The last fault is over: waits until one more process has drained the queue and ended.
    pub(crate) async fn drain_by(&mut self, role: Role, limit: Duration) -> Result<Duration> {
        self.mark(Mark::Healed);
        let began = Instant::now();
        let mut process = self.start(role).await?;
        process.succeeded(limit).await?;
        self.mark(Mark::Drained);
        Ok(began.elapsed())
    }

    /// Takes the last counts, puts all histories together and judges them. All processes have to have ended.
    pub(crate) async fn judge(&self, mut rules: Rules) -> Result<(Report, Vec<Record>)> {
        let stats = self.stats().await?;
        let dead = self.look(dead_letters).await?;
        self.mark(Mark::rest(&self.queue, &stats, dead));
        // Beside the others', for whoever looks into a failure.
        self.history
            .write(File::create(self.folder.join("0.jsonl"))?)?;
        let mut logs = vec![self.history.records()];
        for log in &self.logs {
            let file = File::open(log).context("a process wrote no history")?;
            let records = History::read(BufReader::new(file));
            logs.push(records.with_context(|| format!("{}", log.display()))?);
        }
        let records = History::merge(logs);
        rules.lease = self.lease();
        let report = Checker::new(rules).check(&records);
        Ok((report, records))
    }

    /// Asks by whoever looks on.
    async fn look<T>(&self, ask: impl AsyncFnOnce(&Connection) -> Result<T>) -> Result<T> {
        match &self.looker {
            Looker::Beside(connection) => ask(connection).await,
            Looker::Between(connector) => {
                let connection = connector.connect(QUEUE).await?;
                let answer = ask(&connection).await;
                connection.backend().close().await?;
                answer
            }
        }
    }
}

async fn connect(variables: &[(String, String)]) -> Result<(Connector, Connection)> {
    let connector = Connector::new(variables.iter().cloned().collect::<Settings>())
        .registry(store::registry())
        .environment(Environment::system());
    let connection = connector.connect(QUEUE).await?;
    Ok((connector, connection))
}

/// All dead letters of a queue.
pub(crate) async fn dead_letters(connection: &Connection) -> Result<Vec<MessageId>> {
    let mut ids = Vec::new();
    let mut request = PageRequest::first(PageRequest::MAX_LIMIT);
    loop {
        let all = DeadLetterFilter::all();
        let page = connection.management().dead_letters(&all, request).await?;
        ids.extend(page.items.iter().map(|dead| dead.message.id()));
        match page.next {
            Some(next) => request = PageRequest::after(PageRequest::MAX_LIMIT, next),
            None => return Ok(ids),
        }
    }
}

/// The rules for workers with so many handlers and so many messages ahead, on this machine.
pub(crate) fn rules(concurrency: u32, prefetch: u32) -> Rules {
    Rules {
        concurrency,
        prefetch,
        skew: SKEW,
        ..Rules::default()
    }
}
