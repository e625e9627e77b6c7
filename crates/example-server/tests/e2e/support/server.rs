//! The program as a child process.

use std::fmt::Display;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::client::Client;

/// The longest that a start may take, with its migrations.
const START_LIMIT: Duration = Duration::from_secs(20);
const PROGRAM: &str = env!("CARGO_BIN_EXE_forebay-example-server");

/// The settings and arguments of a server that was not started yet.
///
/// It begins with no variable of the caller's: a free port, JSON logs, and a folder of its own that holds its SQLite
/// file.
pub(crate) struct Setup {
    command: Command,
    folder: TempDir,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("HTTP_ADDR", "127.0.0.1:0")
            .env("LOG_FORMAT", "json")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self { command, folder }
    }

    pub(crate) fn env(mut self, name: &str, value: impl Display) -> Self {
        self.command.env(name, format!("{value}"));
        self
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) async fn start(self) -> Server {
        let mut server = self.spawn();
        let address = wait::value("the server listens", START_LIMIT, async || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended at its start: {status}");
            }
            server.output.address()
        });
        let address = address.await;
        server.client = Client::new(address);
        server
    }

    /// Starts it, and waits until it is ready too.
    pub(crate) async fn start_ready(self) -> Server {
        let server = self.start().await;
        let ready = async || server.client.get("/readyz").await.status == 200;
        wait::until("the server is ready", START_LIMIT, ready).await;
        server
    }

    /// Starts it and waits for its end: the status, standard output and standard error.
    pub(crate) async fn run(self, limit: Duration) -> (ExitStatus, String, String) {
        let mut server = self.spawn();
        let status = server.ended(limit).await;
        let text = |lines: &Lines| lines.lock().join("\n");
        (
            status,
            text(&server.output.stdout),
            text(&server.output.stderr),
        )
    }

    fn spawn(mut self) -> Server {
        let mut child = self.command.spawn().unwrap();
        let output = Output::default();
        let readers = vec![
            collect(child.stdout.take().unwrap(), &output.stdout),
            collect(child.stderr.take().unwrap(), &output.stderr),
        ];
        Server {
            child,
            _folder: self.folder,
            output,
            readers,
            client: Client::new(([127, 0, 0, 1], 0).into()),
        }
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) output: Output,
    child: Child,
    readers: Vec<JoinHandle<()>>,
    /// Its working folder, kept to be removed.
    _folder: TempDir,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for yet")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
    }

    /// Waits for its end and for all it printed.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let waited = tokio::time::timeout(limit, self.child.wait()).await;
        let status = waited.unwrap_or_else(|_| panic!("the server did not end within {limit:?}"));
        for reader in self.readers.drain(..) {
            reader.await.unwrap();
        }
        status.unwrap()
    }

    /// Asks it to stop, and asserts that it does, with status 0. Answers how long it took.
    pub(crate) async fn stop(&mut self, limit: Duration) -> Duration {
        let start = Instant::now();
        self.terminate();
        let status = self.ended(limit).await;
        assert_eq!(status.code(), Some(0), "{status}");
        start.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let all = self.output.all();
            for line in &all[all.len().saturating_sub(40)..] {
                eprintln!("server: {line}");
            }
        }
    }
}

type Lines = Arc<Mutex<Vec<String>>>;

/// What it printed so far.
#[derive(Clone, Default)]
pub(crate) struct Output {
    stdout: Lines,
    stderr: Lines,
}

impl Output {
    /// Every line: standard output, then standard error.
    pub(crate) fn all(&self) -> Vec<String> {
        let mut lines = self.stdout.lock().clone();
        lines.extend(self.stderr.lock().iter().cloned());
        lines
    }

    /// The log's records, if it writes JSON.
    pub(crate) fn records(&self) -> Vec<Value> {
        let lines = self.all();
        lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The number in this field of the only warning that has it.
    pub(crate) fn warned(&self, field: &str) -> Option<u64> {
        let records = self.records();
        let warnings = records.iter().filter(|record| record["level"] == "WARN");
        let mut numbers = warnings.filter_map(|record| record[field].as_u64());
        let number = numbers.next();
        assert_eq!(numbers.next(), None, "two warnings have {field}");
        number
    }

    /// The one that the log says it listens on.
    fn address(&self) -> Option<SocketAddr> {
        let lines = self.all();
        let line = lines.iter().find(|line| line.contains("listening"))?;
        let mut words = line.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
        words.find_map(|word| word.trim_matches(':').parse().ok())
    }
}

fn collect(stream: impl AsyncRead + Send + Unpin + 'static, lines: &Lines) -> JoinHandle<()> {
    let lines = lines.clone();
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|n| n > 0)
        {
            let text = String::from_utf8_lossy(&line);
            lines.lock().push(text.trim_end().to_owned());
            line.clear();
        }
    })
}
