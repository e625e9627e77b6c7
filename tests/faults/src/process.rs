//! The program under test: a process that publishes, works or consumes until it is told to end, or is ended.
//!
//! It does its work through the facade, as any program does, and writes down what happens, a line with one write, so
//! that nothing it went through is lost with it. It says `ready` when it is connected.

mod consumer;
mod handlers;
mod life;
mod probe;
mod publisher;
pub(crate) mod sabotage;

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay::{Backoff, Connection, Connector, Environment, RetryPolicy, Worker, shutdown_signal};
use forebay_queue_conformance::history::History;
use tracing_subscriber::EnvFilter;

use crate::process::probe::Probed;
use crate::role::{Living, Orders, Role, WORK_ATTEMPTS, Working};

/// Follows its orders to the end.
pub(crate) async fn run(orders: Orders) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let environment = Environment::system();
    let file = File::create(&orders.history).context("the history cannot be written")?;
    let to: Box<dyn Write + Send> = match &orders.role {
        Role::Live(Living {
            probe: Some(probe), ..
        }) => Box::new(Probed::new(file, probe)?),
        _ => Box::new(file),
    };
    let history = History::writing(&environment, orders.number, to);
    let connection = Connector::from_env()
        .registry(sabotage::registry())
        .environment(environment)
        .observe(Arc::new(history.clone()))
        .connect(&orders.queue)
        .await?;
    say("ready");
    match orders.role {
        Role::Publish(publishing) => {
            publisher::publish(&connection, &publishing, |_| {}).await?;
        }
        Role::Work(working) => {
            let worker = worker(connection, &working)?;
            worker.run_until(shutdown_signal()).await?;
        }
        Role::Live(living) => life::live(connection, &living).await?,
        Role::Consume(consuming) => consumer::consume(&connection, &consuming).await?,
    }
    history.written().context("the history is not whole")
}

/// Says a line to whoever started it.
fn say(line: &str) {
    let mut out = std::io::stdout();
    // Nobody may be listening any more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn worker(connection: Connection, working: &Working) -> Result<Worker> {
    let retry = RetryPolicy::default()
        .base(Duration::from_millis(20))
        .cap(Duration::from_millis(200))
        .max_attempts(working.max_attempts);
    let for_work = retry.max_attempts(WORK_ATTEMPTS);
    let mut worker = Worker::new(connection)
        .concurrency(working.concurrency)
        .prefetch(working.prefetch)
        .retry(retry)
        .unavailable_backoff(Backoff::new(
            Duration::from_millis(50),
            Duration::from_secs(1),
        ))
        .shutdown_timeout(Duration::from_millis(working.shutdown_ms));
    if let Some(limit) = working.timeout_ms {
        worker = worker.timeout(Duration::from_millis(limit));
    }
    handlers::add(worker, for_work)
}
