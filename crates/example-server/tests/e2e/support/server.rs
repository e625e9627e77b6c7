//! The server and the worker as child processes.

use std::fmt::Display;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use forebay_tests::wait;

use super::client::Client;
use super::process::{Output, Process};

/// The longest that a start may take, with its migrations.
const START_LIMIT: Duration = Duration::from_secs(20);
const SERVER: &str = env!("CARGO_BIN_EXE_forebay-example-server");
const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// The settings and arguments of a server or a worker that was not started yet.
///
/// It begins with no variable of the caller's: a free port, JSON logs, and a folder of its own that holds its SQLite
/// file.
#[derive(Clone)]
pub(crate) struct Setup {
    env: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let setup = Self {
            env: Vec::new(),
            arguments: Vec::new(),
        };
        setup
            .env("HTTP_ADDR", "127.0.0.1:0")
            .env("LOG_FORMAT", "json")
    }

    /// Sets a variable; the last value counts.
    pub(crate) fn env(mut self, name: &str, value: impl Display) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts the server and waits until it listens.
    pub(crate) async fn start(self) -> Server {
        let mut process = self.spawn(SERVER);
        let address = wait::value("the server listens", START_LIMIT, async || {
            if let Some(status) = process.status() {
                panic!("the server ended at its start: {status}");
            }
            address(&process.output)
        });
        let client = Client::new(address.await);
        Server {
            client,
            output: process.output.clone(),
            process,
        }
    }

    /// Starts the server, and waits until it is ready too.
    pub(crate) async fn start_ready(self) -> Server {
        let server = self.start().await;
        let ready = async || server.client.get("/readyz").await.status == 200;
        wait::until("the server is ready", START_LIMIT, ready).await;
        server
    }

    /// Starts the worker alone, and waits until it works.
    pub(crate) async fn start_worker(self) -> Process {
        let mut process = self.spawn(WORKER);
        wait::until("the worker works", START_LIMIT, async || {
            if let Some(status) = process.status() {
                panic!("the worker ended at its start: {status}");
            }
            let lines = process.output.all();
            lines.iter().any(|line| line.contains("working"))
        })
        .await;
        process
    }

    /// Starts the server and waits for its end: the status, standard output and standard error.
    pub(crate) async fn run(self, limit: Duration) -> (ExitStatus, String, String) {
        self.run_program(SERVER, limit).await
    }

    /// The same of the worker.
    pub(crate) async fn run_worker(self, limit: Duration) -> (ExitStatus, String, String) {
        self.run_program(WORKER, limit).await
    }

    async fn run_program(self, program: &str, limit: Duration) -> (ExitStatus, String, String) {
        let mut process = self.spawn(program);
        let status = process.ended(limit).await;
        let (stdout, stderr) = process.output.texts();
        (status, stdout, stderr)
    }

    fn spawn(&self, program: &str) -> Process {
        Process::spawn(program, &self.arguments, &self.env)
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) output: Output,
    process: Process,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.status().is_none()
    }

    /// Asks it to stop, and asserts that it does, with status 0. Answers how long it took.
    pub(crate) async fn stop(&mut self, limit: Duration) -> Duration {
        self.process.stop(limit).await
    }

    /// Ends it at once, as a crash would, and waits for that.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }
}

/// The one that the log says it listens on.
fn address(output: &Output) -> Option<SocketAddr> {
    let lines = output.all();
    let line = lines.iter().find(|line| line.contains("listening"))?;
    let mut words = line.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    words.find_map(|word| word.trim_matches(':').parse().ok())
}
