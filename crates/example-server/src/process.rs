//! A process from its start to its end: the server, or the worker alone.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay::core::Error;
use forebay::telemetry::{PrometheusObserver, TracingObserver};
use forebay::{Connection, Connector, Report, WorkerError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::http::{self, App, Door, DoorLimits, Intake, Metrics};
use crate::logging;
use crate::processing::{self, Processing, WorkerStatus};
use crate::settings::ServerSettings;
use crate::start_error::StartError;
use crate::store::StoreError;

/// What to do with the database before the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preparation {
    /// Delete every row.
    pub reset: bool,
    /// Write a few demonstration messages.
    pub seed: bool,
}

/// The exit code after a second signal, as shells count it.
const INTERRUPTED: i32 = 130;
/// The share of a shutdown that requests may take; the rest is for the worker.
const DOOR_SHARE: u32 = 4;
const DOOR_MAX: Duration = Duration::from_secs(5);
/// Closing the queue and the database may take this long each, even when the shutdown's time is over.
const CLOSE_MIN: Duration = Duration::from_millis(100);

/// Runs the server until SIGTERM or Ctrl-C; a second one ends it at once.
pub fn serve(preparation: Preparation) -> ExitCode {
    end(run(|connector, settings| {
        serve_until(connector, settings, preparation, stop_by_signal())
    }))
}

/// Runs the worker alone until SIGTERM or Ctrl-C; a second one ends it at once.
pub fn work() -> ExitCode {
    end(run(|connector, settings| {
        work_until(connector, settings, stop_by_signal())
    }))
}

fn run<F, R>(process: F) -> Result<(), StartError>
where
    F: FnOnce(Connector, ServerSettings) -> R,
    R: Future<Output = Result<(), StartError>>,
{
    let connector = Connector::from_env();
    let settings = ServerSettings::from_settings(connector.settings())?;
    logging::start(&settings.log_filter, settings.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let result = runtime.block_on(async { process(connector, settings).await });
    // Whatever still runs has had its time.
    runtime.shutdown_background();
    result
}

fn end(result: Result<(), StartError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// A token that the first signal cancels; the second ends the process.
fn stop_by_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let first = stop.clone();
    tokio::spawn(async move {
        forebay::shutdown_signal().await;
        first.cancel();
        forebay::shutdown_signal().await;
        std::process::exit(INTERRUPTED);
    });
    stop
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// [`StartError`].
pub async fn serve_until(
    connector: Connector,
    settings: ServerSettings,
    preparation: Preparation,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let metrics = PrometheusObserver::new();
    let database = open_database(&settings.database_url)?;
    let queue = connect(connector, &settings, &metrics).await?;
    let migrating = prepare(&database, preparation).await?;
    let door = Door::open(settings.http_addr, DoorLimits::default()).await;
    let door = door.map_err(|source| StartError::Listen {
        address: settings.http_addr,
        source,
    })?;

    let limits = Limits::new(settings.shutdown_timeout);
    let processing = Processing::new(database.clone());
    let mut half = settings
        .worker_enabled
        .then(|| WorkingHalf::start(&processing, &queue, &settings, limits.worker));
    if half.is_none() && !queue.backend().capabilities().shared {
        tracing::warn!(
            "WORKER_ENABLED=false, and no other process sees this queue: nothing is persisted"
        );
    }
    let app = App {
        queue: queue.clone(),
        database: database.clone(),
        metrics: Metrics(metrics),
        worker: half.as_ref().map(|half| half.status.clone()),
        api_token: settings.api_token.clone(),
        admin_token: settings.admin_token.clone(),
        intake: Intake::Publish,
        readiness: http::Readiness::default(),
    };
    let address = door.address();
    tracing::info!(%address, "listening");
    // For whoever picked port 0 and reads no log.
    println!("listening addr={address}");
    let closing = stop.child_token();
    let router = http::router(Arc::new(app));
    let serving = tokio::spawn(door.serve(router, closing.clone(), limits.door));

    let ended_early = wait_for_stop(&stop, half.as_mut()).await;
    let began = Instant::now();
    tracing::info!(limit = ?settings.shutdown_timeout, "shutting down");
    closing.cancel();
    let _ = serving.await;
    migrating.abort();
    let worked = match half {
        Some(half) => half.stop().await,
        None => Ok(Report::default()),
    };
    say_what_is_left(&queue, &processing).await;
    let left = || settings.shutdown_timeout.saturating_sub(began.elapsed());
    close_queue(&queue, left().max(CLOSE_MIN)).await;
    database.close(left().max(CLOSE_MIN)).await;
    if ended_early {
        worked?;
        return Err(StartError::WorkerEnded);
    }
    Ok(())
}

/// Runs the worker alone until it is told to stop.
///
/// # Errors
/// [`StartError::NotShared`] on a backend that lives in one process, and all others.
pub async fn work_until(
    connector: Connector,
    settings: ServerSettings,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let database = open_database(&settings.database_url)?;
    let queue = connect(connector, &settings, &PrometheusObserver::new()).await?;
    let backend = queue.backend();
    if !backend.capabilities().shared {
        let backend = backend.name();
        return Err(StartError::NotShared { backend });
    }
    let migrating = prepare(&database, Preparation::default()).await?;
    let processing = Processing::new(database.clone());
    let worker = processing.worker(&queue, &settings, settings.shutdown_timeout);
    tracing::info!("working");
    let result = processing::run(worker, WorkerStatus::default(), stop).await;
    migrating.abort();
    database.close(CLOSE_MIN).await;
    result?;
    Ok(())
}

/// How the time of a shutdown is shared out.
struct Limits {
    door: Duration,
    worker: Duration,
}

impl Limits {
    fn new(whole: Duration) -> Self {
        let door = (whole / DOOR_SHARE).min(DOOR_MAX);
        Self {
            door,
            worker: whole.saturating_sub(door),
        }
    }
}

/// The worker inside the server.
struct WorkingHalf {
    status: WorkerStatus,
    stop: CancellationToken,
    running: JoinHandle<Result<Report, WorkerError>>,
}

impl WorkingHalf {
    fn start(
        processing: &Processing,
        queue: &Connection,
        settings: &ServerSettings,
        limit: Duration,
    ) -> Self {
        let worker = processing.worker(queue, settings, limit);
        let (status, stop) = (WorkerStatus::default(), CancellationToken::new());
        let running = processing::run(worker, status.clone(), stop.clone());
        Self {
            running: tokio::spawn(running),
            status,
            stop,
        }
    }

    async fn stop(self) -> Result<Report, StartError> {
        self.stop.cancel();
        match self.running.await {
            Ok(report) => Ok(report?),
            Err(_) => Err(StartError::WorkerEnded),
        }
    }

    /// Waits until the worker ends, and leaves what it answered in place.
    async fn ended(&mut self) {
        let mut watch = tokio::time::interval(Duration::from_millis(250));
        while !self.running.is_finished() {
            watch.tick().await;
        }
    }
}

/// Waits to be told to stop; `true` if the worker ended before.
async fn wait_for_stop(stop: &CancellationToken, half: Option<&mut WorkingHalf>) -> bool {
    let Some(half) = half else {
        stop.cancelled().await;
        return false;
    };
    tokio::select! {
        () = stop.cancelled() => false,
        () = half.ended() => {
            tracing::error!("the worker ended by itself");
            true
        }
    }
}

async fn connect(
    connector: Connector,
    settings: &ServerSettings,
    metrics: &PrometheusObserver,
) -> Result<Connection, Error> {
    connector
        .observe(Arc::new(metrics.clone()))
        .observe(Arc::new(TracingObserver::new()))
        .connect(settings.queue_name.as_str())
        .await
}

/// A URL that cannot be read is a wrong value of a variable, and said like one.
fn open_database(url: &str) -> Result<Database, StartError> {
    Database::open(url).map_err(|error| match error {
        StoreError::Url(reason) => StartError::Queue(Error::InvalidSetting {
            name: "DATABASE_URL".to_owned(),
            value: "(value withheld)".to_owned(),
            allowed: format!("a URL of SQLite or PostgreSQL: {reason}"),
        }),
        error => error.into(),
    })
}

/// Brings the schema up to date: in the background, unless something is to be done with the rows first.
async fn prepare(
    database: &Database,
    preparation: Preparation,
) -> Result<JoinHandle<()>, StoreError> {
    let Preparation { reset, seed } = preparation;
    if reset || seed {
        database.prepare(reset, seed).await?;
        return Ok(tokio::spawn(async {}));
    }
    let database = database.clone();
    Ok(tokio::spawn(async move {
        database.prepare_until_it_works().await;
    }))
}

/// An embedded queue brings to the disk what is not there yet, and frees its directory for the next process.
async fn close_queue(queue: &Connection, limit: Duration) {
    match tokio::time::timeout(limit, queue.backend().close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the queue was not closed well"),
        Err(_) => tracing::warn!(?limit, "the queue was not closed in time"),
    }
}

/// What a queue in memory still holds is lost with the process: that has to be said.
async fn say_what_is_left(queue: &Connection, processing: &Processing) {
    let (persisted, repeated) = (processing.persisted(), processing.repeated());
    tracing::info!(persisted, repeated, "stopped");
    if !processing::is_volatile(queue) {
        return;
    }
    match queue.management().stats().await {
        Ok(stats) if stats.live() > 0 => {
            tracing::warn!(
                abandoned = stats.live(),
                "messages of the memory queue are abandoned"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the queue does not say what is left"),
    }
}
