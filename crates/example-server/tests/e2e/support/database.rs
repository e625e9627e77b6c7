//! The database under the server, seen from beside it, and made to fail.

use std::path::PathBuf;
use std::time::Duration;

use forebay_tests::postgres::{Database, Postgres};
use forebay_tests::{require, wait};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// How long this side waits for a lock that the server has.
const BUSY: Duration = Duration::from_secs(20);

/// A database for one server, that outlives it.
pub(crate) enum TestDatabase {
    Sqlite(TempDir),
    /// On a server that is used by other tests too.
    Postgres(Database),
    /// On a server of its own, that can be stopped.
    Cluster(Box<Postgres>, String),
}

impl TestDatabase {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    /// `None` where PostgreSQL is missing and not demanded; it has said so then.
    pub(crate) async fn postgres() -> Option<Self> {
        blocking(require::postgres_database)
            .await
            .map(Self::Postgres)
    }

    /// As [`postgres`](Self::postgres), one that can be suspended.
    pub(crate) async fn cluster() -> Option<Self> {
        let cluster = blocking(require::postgres).await?;
        let (cluster, url) = blocking(move || {
            let url = cluster.create_database("messages").unwrap();
            (cluster, url)
        })
        .await;
        Some(Self::Cluster(Box::new(cluster), url))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(_) => format!("sqlite://{}", self.file().display()),
            Self::Postgres(database) => database.url().to_owned(),
            Self::Cluster(_, url) => url.clone(),
        }
    }

    /// The first column of the only row.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        self.reader().await.number(sql).await
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        if let Self::Sqlite(_) = self {
            self.connect().await.execute(sql).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.url()).await.unwrap();
            connection.execute(sql).await.unwrap();
        }
    }

    pub(crate) async fn messages(&self) -> usize {
        let count = self.number("SELECT count(*) FROM messages").await;
        usize::try_from(count).unwrap()
    }

    /// Waits until there are so many messages.
    pub(crate) async fn has_messages(&self, count: usize, limit: Duration) {
        let what = format!("{count} messages in the database");
        let least = i64::try_from(count).unwrap();
        let mut reader = self.reader().await;
        wait::until(&what, limit, async || {
            reader.number("SELECT count(*) FROM messages").await >= least
        })
        .await;
        assert_eq!(self.messages().await, count, "more than were sent");
    }

    /// Asserts what holds at rest, however the rows came there.
    pub(crate) async fn is_sound(&self) {
        let wrong_counters = self
            .number(
                "SELECT count(*) FROM conversations c WHERE message_count <>
                 (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id)",
            )
            .await;
        assert_eq!(wrong_counters, 0, "conversations with a wrong counter");
        let wrong_activity = self
            .number(
                "SELECT count(*) FROM conversations c WHERE last_activity_at <>
                 (SELECT max(sent_at) FROM messages m WHERE m.conversation_id = c.id)",
            )
            .await;
        assert_eq!(
            wrong_activity, 0,
            "conversations with a wrong last activity"
        );
        let doubled = self
            .number(
                "SELECT count(*) FROM (SELECT 1 FROM messages
                 GROUP BY customer_id, channel, idempotency_key HAVING count(*) > 1) AS doubled",
            )
            .await;
        assert_eq!(doubled, 0, "doubled messages");
    }

    /// Lets nobody write until the outage ends.
    pub(crate) async fn fail(&mut self) -> Outage<'_> {
        match self {
            Self::Sqlite(_) => {
                let mut connection = self.connect().await;
                connection.execute("BEGIN EXCLUSIVE").await.unwrap();
                Outage::Locked(connection)
            }
            Self::Cluster(cluster, _) => {
                cluster.suspend().unwrap();
                Outage::Suspended(cluster)
            }
            Self::Postgres(_) => unreachable!("others use that server"),
        }
    }

    fn file(&self) -> PathBuf {
        let Self::Sqlite(folder) = self else {
            unreachable!("only SQLite is a file")
        };
        folder.path().join("messages.db")
    }

    async fn reader(&self) -> Reader {
        match self {
            Self::Sqlite(_) => Reader::Sqlite(self.connect().await),
            _ => Reader::Postgres(PgConnection::connect(&self.url()).await.unwrap()),
        }
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.file())
            .busy_timeout(BUSY);
        options.connect().await.unwrap()
    }
}

/// A connection that looks.
enum Reader {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Reader {
    async fn number(&mut self, sql: &'static str) -> i64 {
        match self {
            Self::Sqlite(connection) => {
                sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
            }
            Self::Postgres(connection) => {
                sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
            }
        }
    }
}

/// A database that fails. Dropping it ends the outage too.
pub(crate) enum Outage<'a> {
    Locked(SqliteConnection),
    Suspended(&'a mut Postgres),
}

impl Outage<'_> {
    pub(crate) async fn end(self) {
        match self {
            Self::Locked(mut connection) => {
                connection.execute("ROLLBACK").await.unwrap();
                connection.close().await.unwrap();
            }
            Self::Suspended(cluster) => cluster.resume().unwrap(),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
