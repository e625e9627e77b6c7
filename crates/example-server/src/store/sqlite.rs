//! The store on SQLite.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Executor, Row, SqlitePool};
use tokio::time::Instant;
use uuid::Uuid;

use super::Persisted;
use super::call;
use super::error::{StoreError, UnavailableCause};
use super::options::StoreOptions;
use super::record::Record;
use super::sqlite_writer::Writer;
use crate::channel::Channel;
use crate::conversation::Conversation;
use crate::cursor::Cursor;
use crate::direction::Direction;
use crate::message::Message;
use crate::timestamp;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long to wait before migrating again after a failure that another process may have caused.
const MIGRATE_PAUSE: Duration = Duration::from_millis(100);

/// One connection writes, since SQLite has one writer anyway, and others read beside it (WAL). A commit is acknowledged
/// when it is on disk (`synchronous = FULL`): the worker acks the message on the strength of it.
#[derive(Clone)]
pub(super) struct SqliteStore {
    file: PathBuf,
    readers: SqlitePool,
    writer_pool: SqlitePool,
    writer: Writer,
}

impl SqliteStore {
    pub(super) fn open(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let rest = url.trim_start_matches("sqlite:");
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let elsewhere = |pair| {
            matches!(
                pair,
                "mode=ro" | "mode=memory" | "cache=shared" | "immutable=1" | "immutable=true"
            )
        };
        if matches!(path, "" | "//" | ":memory:" | "//:memory:")
            || path.ends_with('/')
            || query.split('&').any(elsewhere)
        {
            return Err(StoreError::Url("it must name a file that can be written"));
        }
        let connect = SqliteConnectOptions::from_str(url)
            .map_err(|_| StoreError::Url("it is not a `sqlite://path` URL"))?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(options.busy_timeout);
        let file = connect.get_filename().to_owned();
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(options.acquire_timeout)
        };
        let readers = pool(options.max_connections).connect_lazy_with(connect.clone());
        let writer_pool = pool(1).connect_lazy_with(connect);
        let writer = Writer::start(writer_pool.clone(), options.call_timeout);
        Ok(Self {
            file,
            readers,
            writer_pool,
            writer,
        })
    }

    pub(super) async fn migrate(&self, options: &StoreOptions) -> Result<(), StoreError> {
        if let Some(folder) = self.file.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(|error| StoreError::Folder(error.kind()))?;
        }
        let deadline = Instant::now() + options.migrate_timeout;
        loop {
            let outcome = self.try_migrate(deadline).await;
            // SQLite has no lock for migrations: whoever loses the race against another process sees its tables appear in
            // the middle. The next look finds them complete. Another program's schema does not change by waiting.
            let settled = matches!(outcome, Ok(()) | Err(StoreError::Schema(_)));
            if settled || Instant::now() + MIGRATE_PAUSE >= deadline {
                return outcome;
            }
            tokio::time::sleep(MIGRATE_PAUSE).await;
        }
    }

    async fn try_migrate(&self, deadline: Instant) -> Result<(), StoreError> {
        let work = async {
            let mut connection = self
                .writer_pool
                .acquire()
                .await
                .map_err(|error| StoreError::of("migrate", &error))?;
            let outcome = MIGRATIONS.run_direct(None, &mut *connection, false).await;
            if outcome.is_err() {
                connection.close_on_drop();
            }
            outcome.map_err(|error| StoreError::of_migration(&error))
        };
        tokio::time::timeout_at(deadline, work)
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
        self.writer.persist(record, limit).await
    }

    pub(super) async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        self.writer.ping(limit).await
    }

    pub(super) async fn has_message(&self, id: Uuid, limit: Duration) -> Result<bool, StoreError> {
        call::run(&self.readers, limit, "find a message", move |connection| {
            Box::pin(async move {
                sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM messages WHERE id = $1)")
                    .bind(id.to_string())
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
        call::run(&self.readers, limit, "list conversations", move |connection| {
            Box::pin(async move {
                let sql = if after.is_some() {
                    "SELECT id, key, channel, participant_a, participant_b, message_count, last_activity_at
                     FROM conversations WHERE (last_activity_at, id) < ($2, $3)
                     ORDER BY last_activity_at DESC, id DESC LIMIT $1"
                } else {
                    "SELECT id, key, channel, participant_a, participant_b, message_count, last_activity_at
                     FROM conversations ORDER BY last_activity_at DESC, id DESC LIMIT $1"
                };
                let mut query = sqlx::query(sql).bind(rows);
                if let Some(cursor) = after {
                    query = query
                        .bind(timestamp::micros(cursor.at()))
                        .bind(cursor.id().to_string());
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
        call::run(&self.readers, limit, "list messages", move |connection| {
            Box::pin(async move {
                let conversation = conversation.to_string();
                let first: Option<i16> = sqlx::query_scalar(
                    "SELECT sender FROM messages WHERE conversation_id = $1 ORDER BY sent_at, id LIMIT 1",
                )
                .bind(&conversation)
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
                let mut query = sqlx::query(sql).bind(&conversation).bind(rows);
                if let Some(cursor) = after {
                    query = query
                        .bind(timestamp::micros(cursor.at()))
                        .bind(cursor.id().to_string());
                }
                let rows = query.fetch_all(connection).await?;
                let messages = rows.iter().map(|row| message(row, first));
                messages.collect::<Result<_, _>>().map(Some)
            })
        })
        .await
    }

    pub(super) async fn reset(&self, limit: Duration) -> Result<(), StoreError> {
        call::run(&self.writer_pool, limit, "reset", |connection| {
            Box::pin(async move {
                let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
                for table in [
                    "DELETE FROM messages",
                    "DELETE FROM conversations",
                    "DELETE FROM message_bodies",
                    "DELETE FROM customers",
                ] {
                    tx.execute(table).await?;
                }
                tx.commit().await
            })
        })
        .await
    }

    pub(super) async fn close(&self) {
        // The writer last: the last connection to leave folds the log into the file.
        self.readers.close().await;
        self.writer_pool.close().await;
    }
}

fn conversation(row: &SqliteRow) -> Result<Conversation, sqlx::Error> {
    let channel: &str = row.try_get("channel")?;
    Ok(Conversation {
        id: uuid(row, "id")?,
        key: row.try_get("key")?,
        channel: channel
            .parse::<Channel>()
            .map_err(|e| sqlx::Error::Decode(e.into()))?,
        participants: [row.try_get("participant_a")?, row.try_get("participant_b")?],
        message_count: row.try_get("message_count")?,
        last_activity_at: instant(row, "last_activity_at")?,
    })
}

fn message(row: &SqliteRow, first_sender: i16) -> Result<Message, sqlx::Error> {
    Ok(Message {
        id: uuid(row, "id")?,
        from: row.try_get("from_address")?,
        to: row.try_get("to_address")?,
        direction: Direction::of(row.try_get("sender")?, first_sender),
        snippet: row.try_get("snippet")?,
        timestamp: instant(row, "sent_at")?,
    })
}

fn uuid(row: &SqliteRow, column: &str) -> Result<Uuid, sqlx::Error> {
    let text: &str = row.try_get(column)?;
    Uuid::try_parse(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn instant(row: &SqliteRow, column: &str) -> Result<time::OffsetDateTime, sqlx::Error> {
    timestamp::from_micros(row.try_get(column)?)
        .ok_or_else(|| sqlx::Error::Decode("an instant outside the years 0000 to 9999".into()))
}
