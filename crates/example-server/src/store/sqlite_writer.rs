//! The one writer of a SQLite file.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection, SqlitePool};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Persisted;
use super::call;
use super::error::{StoreError, UnavailableCause};
use super::record::Record;
use crate::timestamp;

/// Events that wait while a commit is on its way to the disk, at most.
const WAITING_MAX: usize = 1_024;
/// Events that share a commit, at most.
const BATCH_MAX: usize = 256;

/// A handle to the task that writes.
///
/// Events that arrive while a commit is on its way to the disk share the next one: a commit costs milliseconds, a
/// row microseconds. Each event is still written as a whole or not at all. The task ends with the last handle.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    Persist(Arc<Record>, Reply<Persisted>),
    /// Answered after a transaction that had the write lock.
    Ping(Reply<()>),
}

impl Writer {
    pub(super) fn start(pool: SqlitePool, limit: Duration) -> Self {
        let (jobs, queue) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(pool, queue, limit));
        Self { jobs }
    }

    pub(super) async fn persist(
        &self,
        record: Record,
        limit: Duration,
    ) -> Result<Persisted, StoreError> {
        let job = |reply| Job::Persist(Arc::new(record), reply);
        self.ask("persist", limit, job).await
    }

    pub(super) async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        self.ask("ping", limit, Job::Ping).await
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        limit: Duration,
        job: impl FnOnce(Reply<T>) -> Job,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work = async {
            let closed = || StoreError::unavailable(operation, UnavailableCause::Closed);
            self.jobs.send(job(reply)).await.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        };
        let timed_out = StoreError::unavailable(operation, UnavailableCause::TimedOut);
        tokio::time::timeout(limit, work)
            .await
            .unwrap_or(Err(timed_out))
    }
}

async fn run(pool: SqlitePool, mut queue: mpsc::Receiver<Job>, limit: Duration) {
    let mut jobs = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut jobs, BATCH_MAX).await > 0 {
        let mut records = Vec::with_capacity(jobs.len());
        let mut pings = Vec::new();
        for job in jobs.drain(..) {
            match job {
                // Whoever stopped waiting has answered "unavailable" and will come again.
                Job::Persist(_, reply) if reply.is_closed() => {}
                Job::Persist(record, reply) => records.push((record, reply)),
                Job::Ping(reply) => pings.push(reply),
            }
        }
        let outcome = write_batch(&pool, limit, records).await;
        for ping in pings {
            let _ = ping.send(outcome.clone());
        }
    }
}

/// Writes the records in one transaction and answers each. The result is that of the transaction.
async fn write_batch(
    pool: &SqlitePool,
    limit: Duration,
    records: Vec<(Arc<Record>, Reply<Persisted>)>,
) -> Result<(), StoreError> {
    let (records, replies): (Vec<_>, Vec<_>) = records.into_iter().unzip();
    let outcome = commit(pool, limit, records.clone()).await;
    match outcome {
        Ok(persisted) => {
            for (reply, persisted) in replies.into_iter().zip(persisted) {
                let _ = reply.send(Ok(persisted));
            }
            Ok(())
        }
        // One of them is refused and took the others with it: each gets a transaction of its own, while they
        // can still be in time.
        Err(error) if !error.is_unavailable() && records.len() > 1 => {
            let deadline = Instant::now() + limit;
            for (record, reply) in records.into_iter().zip(replies) {
                let left = deadline.saturating_duration_since(Instant::now());
                let outcome = commit(pool, left, vec![record])
                    .await
                    .map(|persisted| persisted[0]);
                let _ = reply.send(outcome);
            }
            Ok(())
        }
        Err(error) => {
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
            if error.is_unavailable() {
                Err(error)
            } else {
                Ok(())
            }
        }
    }
}

async fn commit(
    pool: &SqlitePool,
    limit: Duration,
    records: Vec<Arc<Record>>,
) -> Result<Vec<Persisted>, StoreError> {
    call::run_here(pool, limit, "persist", move |connection| {
        Box::pin(async move {
            let now = timestamp::micros(OffsetDateTime::now_utc());
            // Immediate: it waits for the lock here, and not in the middle, where SQLite would not wait at all.
            let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
            let mut persisted = Vec::with_capacity(records.len());
            for record in &records {
                persisted.push(write(&mut tx, record, now).await?);
            }
            tx.commit().await?;
            Ok(persisted)
        })
    })
    .await
}

/// The event's rows. Nobody else writes meanwhile, so a replay ends at the first look.
async fn write(
    connection: &mut SqliteConnection,
    record: &Record,
    now: i64,
) -> Result<Persisted, sqlx::Error> {
    let customer = record.customer_id.to_string();
    let conversation = record.conversation_id.to_string();
    if is_there(connection, record, &customer).await? {
        return Ok(Persisted::AlreadyThere);
    }
    sqlx::query("INSERT INTO customers (id, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(&customer)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO message_bodies (hash, snippet, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(&record.body_hash)
    .bind(&record.snippet)
    .bind(&record.body)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO conversations (id, customer_id, channel, key, participant_a, participant_b, message_count,
                                    last_activity_at)
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7)
         ON CONFLICT (id) DO UPDATE
         SET message_count = message_count + 1,
             last_activity_at = max(last_activity_at, excluded.last_activity_at)",
    )
    .bind(&conversation)
    .bind(&customer)
    .bind(record.channel.as_str())
    .bind(&record.conversation_key)
    .bind(&record.participant_a)
    .bind(&record.participant_b)
    .bind(timestamp::micros(record.sent_at))
    .execute(&mut *connection)
    .await?;
    insert_message(connection, record, &customer, &conversation, now).await?;
    Ok(Persisted::New)
}

async fn is_there(
    connection: &mut SqliteConnection,
    record: &Record,
    customer: &str,
) -> Result<bool, sqlx::Error> {
    let row: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM messages WHERE customer_id = $1 AND channel = $2 AND idempotency_key = $3",
    )
    .bind(customer)
    .bind(record.channel.as_str())
    .bind(&record.idempotency_key)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Fails if another message has the id; the transaction is rolled back then, and the event is refused.
async fn insert_message(
    connection: &mut SqliteConnection,
    record: &Record,
    customer: &str,
    conversation: &str,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messages (id, customer_id, channel, idempotency_key, conversation_id, body_hash, sender,
                               from_address, to_address, subject, sent_at, metadata, unknown_fields, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(record.message_id.to_string())
    .bind(customer)
    .bind(record.channel.as_str())
    .bind(&record.idempotency_key)
    .bind(conversation)
    .bind(&record.body_hash)
    .bind(record.sender)
    .bind(&record.from)
    .bind(&record.to)
    .bind(&record.subject)
    .bind(timestamp::micros(record.sent_at))
    .bind(&record.metadata)
    .bind(&record.unknown_fields)
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}
