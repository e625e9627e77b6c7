//! The database behind the worker and the lists: SQLite or PostgreSQL, chosen by the URL.
//!
//! Every call ends within a bounded time ([`StoreOptions::call_timeout`]), whatever state the database is in, and every
//! error says whether the database or the event is at fault ([`StoreError::is_unavailable`]). When the database
//! comes back, the next call works again.
//!
//! A call that ran out of time may still have happened. Repeating [`Store::persist`] is always safe: the message's
//! idempotency key makes it the same row.

use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::conversation::Conversation;
use crate::cursor::{Cursor, List};
use crate::event::Event;
use crate::message::Message;
use crate::page::Page;

mod call;
mod error;
mod options;
mod postgres;
mod record;
mod seed;
mod sqlite;
mod sqlite_writer;

pub use error::{StoreError, UnavailableCause};
pub use options::StoreOptions;

use postgres::PostgresStore;
use record::Record;
use sqlite::SqliteStore;

/// The most items that one page has.
pub const PAGE_MAX: u32 = 200;

/// A handle to the database. Cheap to clone; all clones share their connections.
///
/// `Debug` prints the kind of database, never its URL.
#[derive(Clone)]
pub struct Store {
    database: Database,
    options: StoreOptions,
}

/// What [`Store::persist`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// The message was written.
    New,
    /// A message with its customer, channel and idempotency key was there already; nothing was changed.
    AlreadyThere,
}

#[derive(Clone)]
enum Database {
    Sqlite(SqliteStore),
    Postgres(Box<PostgresStore>),
}

impl Store {
    /// Opens the database and brings its schema up to date: [`open`](Self::open), then
    /// [`migrate`](Self::migrate).
    ///
    /// # Errors
    ///
    /// As the two.
    pub async fn connect(url: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let store = Self::open(url, options)?;
        store.migrate().await?;
        Ok(store)
    }

    /// Prepares a handle from `sqlite://path` or `postgres://…`, without touching the database.
    ///
    /// Connections are made when they are needed. A service that has to start while its database is down opens it
    /// and repeats [`migrate`](Self::migrate) until that succeeds. Needs to run within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StoreError::Url`] if the URL is not one of these two. Its text never repeats the URL.
    pub fn open(url: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let database = if url.starts_with("sqlite:") {
            Database::Sqlite(SqliteStore::open(url, &options)?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Database::Postgres(Box::new(PostgresStore::open(url, &options)?))
        } else {
            return Err(StoreError::Url(
                "it must start with `sqlite://` or `postgres://`",
            ));
        };
        Ok(Self { database, options })
    }

    /// Brings the schema up to date. For SQLite, makes the file and its folder if they are absent. Several processes
    /// may do this at once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database cannot be reached within
    /// [`StoreOptions::migrate_timeout`], [`StoreError::Schema`] if it has the schema of another program or of a later version of
    /// this one, [`StoreError::Folder`] if the file's folder cannot be made.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(store) => store.migrate(&self.options).await,
            Database::Postgres(store) => store.migrate(&self.options).await,
        }
    }

    /// Writes the event in one transaction: the customer and the body if they are new, the conversation, and the message
    /// under the id that the queue gave it. A message that is there already is success, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is at fault (it may have happened: repeat it),
    /// [`StoreError::Refused`] if it will never take this event.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the transaction: it may still happen, as after a timeout.
    pub async fn persist(&self, event: &Event, message_id: Uuid) -> Result<Persisted, StoreError> {
        let record = Record::new(event, message_id);
        match &self.database {
            Database::Sqlite(store) => store.persist(record, self.options.call_timeout).await,
            Database::Postgres(store) => store.persist(record, self.options.call_timeout).await,
        }
    }

    /// Whether the message with this id is persisted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is at fault.
    pub async fn has_message(&self, id: Uuid) -> Result<bool, StoreError> {
        let limit = self.options.call_timeout;
        match &self.database {
            Database::Sqlite(store) => store.has_message(id, limit).await,
            Database::Postgres(store) => store.has_message(id, limit).await,
        }
    }

    /// A page of conversations, newest activity first, of 1 to [`PAGE_MAX`] items (`limit` is brought into that range).
    ///
    /// Paging is stable: a conversation that does not change meanwhile comes exactly once, and none comes twice unless it
    /// became active again. One that becomes active moves to the first page.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is at fault.
    pub async fn conversations(
        &self,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Conversation>, StoreError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let timeout = self.options.call_timeout;
        // One more than asked for tells whether there is a next page.
        let rows = match &self.database {
            Database::Sqlite(store) => store.conversations(after, limit + 1, timeout).await?,
            Database::Postgres(store) => store.conversations(after, limit + 1, timeout).await?,
        };
        Ok(page(rows, limit, List::Conversations, |conversation| {
            (conversation.last_activity_at, conversation.id)
        }))
    }

    /// A page of a conversation's messages, oldest first, of 1 to [`PAGE_MAX`] items (`limit` is brought into that
    /// range); `None` if there is no such conversation.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is at fault.
    pub async fn messages(
        &self,
        conversation: Uuid,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Option<Page<Message>>, StoreError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let timeout = self.options.call_timeout;
        let rows = match &self.database {
            Database::Sqlite(store) => {
                store
                    .messages(conversation, after, limit + 1, timeout)
                    .await?
            }
            Database::Postgres(store) => {
                store
                    .messages(conversation, after, limit + 1, timeout)
                    .await?
            }
        };
        Ok(rows.map(|rows| {
            page(rows, limit, List::Messages, |message| {
                (message.timestamp, message.id)
            })
        }))
    }

    /// Whether the database can be written to now, within [`StoreOptions::ping_timeout`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it cannot be reached, is locked by another process, or is a read-only replica.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(store) => store.ping(self.options.ping_timeout).await,
            Database::Postgres(store) => store.ping(self.options.ping_timeout).await,
        }
    }

    /// Deletes every row of every table, to prepare a database for tests.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is at fault.
    pub async fn reset(&self) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(store) => store.reset(self.options.migrate_timeout).await,
            Database::Postgres(store) => store.reset(self.options.migrate_timeout).await,
        }
    }

    /// Writes a few demonstration conversations; the same rows each time. Answers how many messages were new.
    ///
    /// # Errors
    ///
    /// As [`persist`](Self::persist).
    pub async fn seed(&self) -> Result<usize, StoreError> {
        let mut new = 0;
        for (event, id) in seed::events() {
            new += usize::from(self.persist(&event, id).await? == Persisted::New);
        }
        Ok(new)
    }

    /// Closes the connections once running calls are through, for at most [`StoreOptions::call_timeout`]. Later calls are
    /// answered [`StoreError::Unavailable`].
    pub async fn close(&self) {
        let close = async {
            match &self.database {
                Database::Sqlite(store) => store.close().await,
                Database::Postgres(store) => store.close().await,
            }
        };
        // What does not close in time is closed by the end of the process.
        let _ = tokio::time::timeout(self.options.call_timeout, close).await;
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.database {
            Database::Sqlite(_) => "sqlite",
            Database::Postgres(_) => "postgres",
        };
        f.debug_struct("Store")
            .field("database", &name)
            .field("options", &self.options)
            .finish()
    }
}

fn page<T>(
    mut rows: Vec<T>,
    limit: u32,
    list: List,
    key: impl Fn(&T) -> (OffsetDateTime, Uuid),
) -> Page<T> {
    let limit = limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|last| {
        let (at, id) = key(last);
        Cursor::new(list, at, id).encode()
    });
    Page {
        items: rows,
        next_cursor,
    }
}
