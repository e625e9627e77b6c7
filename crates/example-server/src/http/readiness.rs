//! Whether the parts of the service work.

use std::time::Duration;

use forebay::core::Health;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::App;

/// How long a check counts, so that many probes at once are one.
const FRESH: Duration = Duration::from_millis(250);
/// How long a part may take to answer.
const LIMIT: Duration = Duration::from_millis(900);

/// The latest check. At most one runs at a time; who comes meanwhile shares it.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<(Instant, Report)>>);

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Whether all parts are up, or off.
    pub(super) ready: bool,
    /// The queue's backend.
    queue: Part,
    /// The database.
    database: Part,
    /// The worker of this process.
    worker: Part,
}

/// The state of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    /// What it is.
    state: PartState,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Whether a part works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PartState {
    /// It works.
    Up,
    /// It does not.
    Down,
    /// This process has none.
    Off,
}

impl Readiness {
    /// The latest report, or a new one where that is no longer fresh. Takes less than a second.
    ///
    /// # Cancel safety
    /// Dropping the future drops its check; the next one makes another.
    pub(super) async fn check(&self, app: &App) -> Report {
        let mut latest = self.0.lock().await;
        if let Some((at, report)) = &*latest
            && at.elapsed() < FRESH
        {
            return report.clone();
        }
        let (queue, database) = tokio::join!(queue(app), database(app));
        let worker = worker(app);
        let parts = [&queue, &database, &worker];
        let report = Report {
            ready: parts.iter().all(|part| part.state != PartState::Down),
            queue,
            database,
            worker,
        };
        *latest = Some((Instant::now(), report.clone()));
        report
    }
}

impl Part {
    const fn of(state: PartState) -> Self {
        Self {
            state,
            reason: None,
        }
    }

    fn down(reason: impl Into<String>) -> Self {
        Self {
            state: PartState::Down,
            reason: Some(reason.into()),
        }
    }
}

async fn queue(app: &App) -> Part {
    match tokio::time::timeout(LIMIT, app.queue.backend().health()).await {
        Ok(Health::Up) => Part::of(PartState::Up),
        Ok(Health::Down(reason)) => Part::down(reason),
        Ok(_) => Part::down("unknown"),
        Err(_) => Part::down("no answer in time"),
    }
}

async fn database(app: &App) -> Part {
    let ping = async { app.database.store()?.ping().await };
    match tokio::time::timeout(LIMIT, ping).await {
        Ok(Ok(())) => Part::of(PartState::Up),
        Ok(Err(error)) => Part::down(error.to_string()),
        Err(_) => Part::down("no answer in time"),
    }
}

fn worker(app: &App) -> Part {
    match &app.worker {
        None => Part::of(PartState::Off),
        Some(status) if status.is_running() => Part::of(PartState::Up),
        Some(_) => Part::down("not running"),
    }
}
