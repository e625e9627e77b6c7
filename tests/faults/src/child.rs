use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::role::Orders;

/// How long a process may take to say something.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A process of this program, started by it and ended with it.
pub(crate) struct Child {
    pub(crate) number: u32,
    process: tokio::process::Child,
    told: Option<ChildStdin>,
    said: Lines<BufReader<ChildStdout>>,
    /// Where its standard error goes.
    log: PathBuf,
}

impl Child {
    /// Starts this program as the process that the orders say, with these variables.
    pub(crate) fn start(orders: &Orders, variables: &[(String, String)]) -> Result<Self> {
        let log = orders.history.with_extension("log");
        let program = std::env::current_exe().context("no path of this program")?;
        let mut process = Command::new(program)
            .arg("process")
            .arg(serde_json::to_string(orders)?)
            .envs(variables.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).context("the log cannot be made")?)
            .kill_on_drop(true)
            .spawn()
            .context("a process cannot be started")?;
        let said = process.stdout.take().context("it has no output")?;
        Ok(Self {
            number: orders.number,
            told: process.stdin.take(),
            process,
            said: BufReader::new(said).lines(),
            log,
        })
    }

    /// Waits until it says that it has connected and begins.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        self.says("ready").await
    }

    /// Tells it to take the next message.
    pub(crate) async fn next(&mut self) -> Result<()> {
        let told = self.told.as_mut().context("its input is closed")?;
        Ok(told.write_all(b"next\n").await?)
    }

    /// Waits until it says this.
    pub(crate) async fn says(&mut self, word: &str) -> Result<()> {
        let said = timeout(ANSWER_LIMIT, self.hear()).await;
        let said = said.with_context(|| format!("process {} is silent", self.number))??;
        ensure!(
            said == word,
            "process {} said {said:?} instead of {word:?}",
            self.number
        );
        Ok(())
    }

    /// The number of messages that it has published so far, as soon as it has published more.
    ///
    /// # Errors
    /// When it says something else, is silent, or ends.
    pub(crate) async fn accepted(&mut self) -> Result<u64> {
        let said = timeout(ANSWER_LIMIT, self.hear()).await;
        let said = said.with_context(|| format!("process {} is silent", self.number))??;
        let count = said.strip_prefix("accepted ");
        Ok(count.context("it says something else")?.parse()?)
    }

    /// Closes its input: one that receives by hand ends by that.
    pub(crate) fn dismiss(&mut self) {
        self.told = None;
    }

    /// The next line that it says.
    ///
    /// # Errors
    /// When it ends without one; the error has the end of its log.
    pub(crate) async fn hear(&mut self) -> Result<String> {
        if let Some(line) = self.said.next_line().await? {
            return Ok(line);
        }
        let status = self.process.wait().await?;
        bail!("process {} ended: {status}: {}", self.number, self.tail())
    }

    /// Ends it without a word (SIGKILL), and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("it is gone already")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.process_id()?, signal).context("it cannot be signalled")
    }

    /// Suspends it (SIGSTOP); its sockets stay open.
    pub(crate) fn suspend(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        Ok(self.process.try_wait()?.is_none())
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let status = timeout(limit, self.process.wait()).await;
        let what = || format!("process {} did not end within {limit:?}", self.number);
        Ok(status.with_context(what)??)
    }

    /// Waits until it ends by itself, and fails unless it says that all is well.
    pub(crate) async fn succeeded(&mut self, limit: Duration) -> Result<()> {
        let status = self.ended(limit).await?;
        let number = self.number;
        ensure!(
            status.success(),
            "process {number} ended: {status}: {}",
            self.tail()
        );
        Ok(())
    }

    /// The last lines of its log.
    pub(crate) fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    fn process_id(&self) -> Result<Pid> {
        let id = self.process.id().context("it has ended")?;
        Ok(Pid::from_raw(i32::try_from(id)?))
    }
}
