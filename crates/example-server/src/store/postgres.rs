//! The store on PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Persisted;
use super::call;
use super::error::{StoreError, UnavailableCause};
use super::options::StoreOptions;
use super::record::Record;
use crate::channel::Channel;
use crate::conversation::Conversation;
use crate::cursor::Cursor;
use crate::direction::Direction;
use crate::message::Message;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

#[derive(Clone)]
pub(super) struct PostgresStore {
    pool: PgPool,
    connect: PgConnectOptions,
}

impl PostgresStore {
    pub(super) fn open(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let connect = PgConnectOptions::from_str(url)
            .map_err(|_| StoreError::Url("it is not a PostgreSQL URL"))?;
        // The server gives up when the caller has: otherwise a statement that waits for a lock would outlive its call. Set
        // by a statement and not as a start-up option, which poolers refuse.
        let millis = options.call_timeout.as_millis();
        let session = format!(
            "SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {};",
            millis * 2
        );
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            .after_connect(move |connection, _| {
                let session = AssertSqlSafe(session.clone());
                Box::pin(async move { connection.execute(session).await.map(drop) })
            })
            .connect_lazy_with(connect.clone());
        Ok(Self { pool, connect })
    }

    pub(super) async fn migrate(&self, options: &StoreOptions) -> Result<(), StoreError> {
        // On a connection without a statement timeout: a migration may take its time, and so may the lock with which
        // two processes take turns.
        let work = async {
            let mut connection = self
                .connect
                .connect()
                .await
                .map_err(|error| StoreError::of("migrate", &error))?;
            MIGRATIONS
                .run_direct(None, &mut connection, false)
                .await
                .map_err(|error| StoreError::of_migration(&error))?;
            // It is migrated; how the connection ends does not matter.
            let _ = connection.close().await;
            Ok(())
        };
        tokio::time::timeout(options.migrate_timeout, work)
            .await
            .unwrap_or(Err(StoreError::unavailable(
                "migrate",
                UnavailableCause::TimedOut,
            )))
    }

    pub(super) async fn persist(
        &self,
        record: Record,
        limit: Duration,
    ) -> Result<Persisted, StoreError> {
        call::run(&self.pool, limit, "persist", move |connection| {
            Box::pin(async move { write(connection, &record).await })
        })
        .await
    }

    pub(super) async fn has_message(&self, id: Uuid, limit: Duration) -> Result<bool, StoreError> {
        call::run(&self.pool, limit, "find a message", move |connection| {
            Box::pin(async move {
                sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM messages WHERE id = $1)")
                    .bind(id)
                    .fetch_one(connection)
                    .await
            })
        })
        .await
    }

    pub(super) async fn conversations(
        &self,
        after: Option<Cursor>,
        rows: u32,
        limit: Duration,
    ) -> Result<Vec<Conversation>, StoreError> {
        call::run(&self.pool, limit, "list conversations", move |connection| {
            Box::pin(async move {
                let sql = if after.is_some() {
                    "SELECT id, key, channel, participant_a, participant_b, message_count, last_activity_at
                     FROM conversations WHERE (last_activity_at, id) < ($2, $3)
                     ORDER BY last_activity_at DESC, id DESC LIMIT $1"
                } else {
                    "SELECT id, key, channel, participant_a, participant_b, message_count, last_activity_at
                     FROM conversations ORDER BY last_activity_at DESC, id DESC LIMIT $1"
                };
                let mut query = sqlx::query(sql).bind(i64::from(rows));
                if let Some(cursor) = after {
                    query = query.bind(cursor.at()).bind(cursor.id());
                }
                let rows = query.fetch_all(connection).await?;
                rows.iter().map(conversation).collect()
            })
        })
        .await
    }

    pub(super) async fn messages(
        &self,
        conversation: Uuid,
        after: Option<Cursor>,
        rows: u32,
        limit: Duration,
    ) -> Result<Option<Vec<Message>>, StoreError> {
        call::run(&self.pool, limit, "list messages", move |connection| {
            Box::pin(async move {
                let first: Option<i16> = sqlx::query_scalar(
                    "SELECT sender FROM messages WHERE conversation_id = $1 ORDER BY sent_at, id LIMIT 1",
                )
                .bind(conversation)
                .fetch_optional(&mut *connection)
                .await?;
                // A conversation is written together with its first message.
                let Some(first) = first else {
                    return Ok(None);
                };
                let sql = if after.is_some() {
                    "SELECT m.id, m.from_address, m.to_address, m.sender, m.sent_at, b.snippet
                     FROM messages m JOIN message_bodies b ON b.hash = m.body_hash
                     WHERE m.conversation_id = $1 AND (m.sent_at, m.id) > ($3, $4)
                     ORDER BY m.sent_at, m.id LIMIT $2"
                } else {
                    "SELECT m.id, m.from_address, m.to_address, m.sender, m.sent_at, b.snippet
                     FROM messages m JOIN message_bodies b ON b.hash = m.body_hash
                     WHERE m.conversation_id = $1
                     ORDER BY m.sent_at, m.id LIMIT $2"
                };
                let mut query = sqlx::query(sql).bind(conversation).bind(i64::from(rows));
                if let Some(cursor) = after {
                    query = query.bind(cursor.at()).bind(cursor.id());
                }
                let rows = query.fetch_all(connection).await?;
                let messages = rows.iter().map(|row| message(row, first));
                messages.collect::<Result<_, _>>().map(Some)
            })
        })
        .await
    }

    pub(super) async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        let replica: bool = call::run(&self.pool, limit, "ping", |connection| {
            Box::pin(async move {
                sqlx::query_scalar("SELECT pg_is_in_recovery()")
                    .fetch_one(connection)
                    .await
            })
        })
        .await?;
        if replica {
            return Err(StoreError::unavailable("ping", UnavailableCause::ReadOnly));
        }
        Ok(())
    }

    pub(super) async fn reset(&self, limit: Duration) -> Result<(), StoreError> {
        call::run(&self.pool, limit, "reset", |connection| {
            Box::pin(async move {
                connection
                    .execute("TRUNCATE messages, conversations, message_bodies, customers")
                    .await
                    .map(drop)
            })
        })
        .await
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// The event's transaction.
///
/// All transactions touch the tables in this order, and one row of each: none can wait for another in a circle. The
/// message comes first, so that a replay ends there.
async fn write(connection: &mut PgConnection, record: &Record) -> Result<Persisted, sqlx::Error> {
    let mut tx = connection.begin().await?;
    if !insert_message(&mut tx, record).await? {
        tx.rollback().await?;
        return Ok(Persisted::AlreadyThere);
    }
    sqlx::query("INSERT INTO customers (id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(record.customer_id)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO message_bodies (hash, snippet, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(&record.body_hash)
    .bind(&record.snippet)
    .bind(&record.body)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO conversations AS c (id, customer_id, channel, key, participant_a, participant_b, message_count,
                                         last_activity_at)
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7)
         ON CONFLICT (id) DO UPDATE
         SET message_count = c.message_count + 1,
             last_activity_at = GREATEST(c.last_activity_at, excluded.last_activity_at)",
    )
    .bind(record.conversation_id)
    .bind(record.customer_id)
    .bind(record.channel.as_str())
    .bind(&record.conversation_key)
    .bind(&record.participant_a)
    .bind(&record.participant_b)
    .bind(record.sent_at)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Persisted::New)
}

/// Whether the message is new.
async fn insert_message(
    connection: &mut PgConnection,
    record: &Record,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO messages (id, customer_id, channel, idempotency_key, conversation_id, body_hash, sender,
                               from_address, to_address, subject, sent_at, metadata, unknown_fields)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text::jsonb, $13::text::jsonb)
         ON CONFLICT DO NOTHING",
    )
    .bind(record.message_id)
    .bind(record.customer_id)
    .bind(record.channel.as_str())
    .bind(&record.idempotency_key)
    .bind(record.conversation_id)
    .bind(&record.body_hash)
    .bind(record.sender)
    .bind(&record.from)
    .bind(&record.to)
    .bind(&record.subject)
    .bind(record.sent_at)
    .bind(&record.metadata)
    .bind(&record.unknown_fields)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(true);
    }
    // Any conflict is let pass above: of two replays at once either may meet the other's id before its key. If it is
    // not the key, another message has this id, and no row is found here.
    sqlx::query_scalar(
        "SELECT 1 FROM messages WHERE customer_id = $1 AND channel = $2 AND idempotency_key = $3",
    )
    .bind(record.customer_id)
    .bind(record.channel.as_str())
    .bind(&record.idempotency_key)
    .fetch_one(connection)
    .await
    .map(|_: i32| false)
}

fn conversation(row: &PgRow) -> Result<Conversation, sqlx::Error> {
    let channel: &str = row.try_get("channel")?;
    Ok(Conversation {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        channel: channel
            .parse::<Channel>()
            .map_err(|e| sqlx::Error::Decode(e.into()))?,
        participants: [row.try_get("participant_a")?, row.try_get("participant_b")?],
        message_count: row.try_get("message_count")?,
        last_activity_at: row.try_get::<OffsetDateTime, _>("last_activity_at")?,
    })
}

fn message(row: &PgRow, first_sender: i16) -> Result<Message, sqlx::Error> {
    Ok(Message {
        id: row.try_get("id")?,
        from: row.try_get("from_address")?,
        to: row.try_get("to_address")?,
        direction: Direction::of(row.try_get("sender")?, first_sender),
        snippet: row.try_get("snippet")?,
        timestamp: row.try_get("sent_at")?,
    })
}
