//! One call to the database, bounded in time.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use tokio::time::Instant;

use super::error::{StoreError, UnavailableCause};

/// The work of a call, on a connection of its own.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

/// Runs the work on a connection of the pool; both together take at most `limit`.
///
/// It runs as a task of its own, so that a caller who is dropped leaves no connection in mid-statement: such a
/// connection would be given back to the pool, and wait there without limit for a server that stands still.
pub(super) async fn run<DB, T, F>(
    pool: &Pool<DB>,
    limit: Duration,
    operation: &'static str,
    work: F,
) -> Result<T, StoreError>
where
    DB: Database,
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut DB::Connection) -> Work<'c, T> + Send + 'static,
{
    let pool = pool.clone();
    let task = tokio::spawn(async move { run_here(&pool, limit, operation, work).await });
    task.await
        .unwrap_or_else(|_| Err(StoreError::unavailable(operation, UnavailableCause::Closed)))
}

/// As [`run`], in the caller's own task, which must not be dropped before the end.
pub(super) async fn run_here<DB, T, F>(
    pool: &Pool<DB>,
    limit: Duration,
    operation: &'static str,
    work: F,
) -> Result<T, StoreError>
where
    DB: Database,
    F: for<'c> FnOnce(&'c mut DB::Connection) -> Work<'c, T>,
{
    let deadline = Instant::now() + limit;
    let timed_out = |_| StoreError::unavailable(operation, UnavailableCause::TimedOut);
    let mut connection: PoolConnection<DB> = tokio::time::timeout_at(deadline, pool.acquire())
        .await
        .map_err(timed_out)?
        .map_err(|error| StoreError::of(operation, &error))?;
    let outcome = tokio::time::timeout_at(deadline, work(&mut connection))
        .await
        .map_err(timed_out)
        .and_then(|result| result.map_err(|error| StoreError::of(operation, &error)));
    if outcome.is_err() {
        // Its state is uncertain: a statement may still run on it, or the database has rolled back by itself. A new
        // one costs a millisecond.
        connection.close_on_drop();
    }
    outcome
}
