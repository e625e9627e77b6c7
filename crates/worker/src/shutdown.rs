use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_queue_core::failpoints;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::lane::{Lane, NO_ANSWER};
use crate::running::Running;
use crate::settlement::Settlement;
use crate::{Drain, Report};

/// When each step of a shutdown has to be over.
struct Deadlines {
    /// Fetching what is left, if that is wanted.
    drain: Instant,
    /// Handlers.
    handlers: Instant,
    /// Slots whose handlers were stopped.
    slots: Instant,
    /// Settlements.
    settle: Instant,
    /// Sessions.
    close: Instant,
}

impl Deadlines {
    fn new(limit: Duration) -> Self {
        let now = Instant::now();
        let margin = (limit / 5).min(Duration::from_secs(1));
        Self {
            drain: now + limit.mul_f64(0.75),
            handlers: now + limit - margin,
            slots: now + limit - margin / 2,
            settle: now + limit,
            close: now + limit + Duration::from_millis(200),
        }
    }
}

/// Stops fetching, gives back what has not started, waits for what runs as long as there is time, gives that back
/// too, settles, and closes the sessions.
pub(crate) async fn shut_down(mut running: Running) -> Report {
    let deadlines = Deadlines::new(running.settings.shutdown_limit);
    tracing::info!(
        limit = ?running.settings.shutdown_limit, drain = ?running.settings.drain,
        "the worker shuts down"
    );
    pass_fail_point(&running.lanes);
    stop_fetching(&mut running, &deadlines).await;
    for (index, fetched) in running.buffer.close() {
        let released = Settlement::released(&fetched);
        running.lanes[index].outbox.push(&mut vec![released]);
    }
    if !ended(&mut running.slots, deadlines.handlers).await {
        for lane in &*running.lanes {
            lane.ledger.abort_all();
        }
        if !ended(&mut running.slots, deadlines.slots).await {
            tracing::error!("handlers that never wait cannot be stopped; they are left behind");
            running.slots.abort_all();
        }
    }
    for lane in &*running.lanes {
        lane.outbox.close();
    }
    if !ended(&mut running.settlers, deadlines.settle).await {
        running.settlers.shutdown().await;
    }
    running.signals.stop_keeping.cancel();
    ended(&mut running.keepers, deadlines.close).await;
    close_sessions(&running.lanes, deadlines.close).await;
    let report = report(&running.lanes);
    tracing::info!(
        processed = report.processed,
        released = report.released,
        abandoned = report.abandoned,
        "the worker has ended"
    );
    report
}

async fn stop_fetching(running: &mut Running, deadlines: &Deadlines) {
    if running.settings.drain == Drain::Backlog {
        running.signals.drain.cancel();
        ended(&mut running.fetchers, deadlines.drain).await;
    }
    running.signals.stop_fetching.cancel();
    if !ended(&mut running.fetchers, deadlines.handlers).await {
        running.fetchers.abort_all();
    }
}

/// Waits for tasks to end; `false` when the time comes first.
async fn ended(tasks: &mut JoinSet<()>, deadline: Instant) -> bool {
    let all = async { while tasks.join_next().await.is_some() {} };
    timeout_at(deadline, all).await.is_ok()
}

async fn close_sessions(lanes: &[Arc<Lane>], deadline: Instant) {
    for lane in lanes {
        let session = lane.session();
        let closed = timeout_at(deadline, lane.call(NO_ANSWER, session.close())).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::warn!(
                queue = %lane.connection.name(),
                "the session was not closed in time; what it holds comes back when the leases end"
            );
        }
    }
}

fn report(lanes: &[Arc<Lane>]) -> Report {
    let mut report = Report::default();
    for lane in lanes {
        // What the settler had no time for.
        let mut left = Vec::new();
        lane.outbox.take(&mut left);
        for settlement in &left {
            lane.abandoned(&settlement.note);
        }
        report.processed += lane.counts.processed.load(Ordering::Relaxed);
        report.released += lane.counts.released.load(Ordering::Relaxed);
        report.abandoned += lane.ledger.len() as u64;
    }
    report
}

/// A shutdown goes on whatever the fail point does.
fn pass_fail_point(lanes: &[Arc<Lane>]) {
    for lane in lanes {
        let backend = lane.connection.backend().name();
        let passed = catch_unwind(|| failpoints::pass(failpoints::SHUTDOWN, backend));
        if !matches!(passed, Ok(Ok(()))) {
            tracing::error!("the fail point of the shutdown was hit");
        }
    }
}
