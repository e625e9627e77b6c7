use std::path::Path;
use std::sync::Arc;

use forebay_queue_core::{FairnessKey, Kind, Message, MessageId, NewMessage, QueueName, Timestamp};
#[cfg(feature = "rocksdb")]
use forebay_queue_embedded::storage::RocksDbStorage;
#[cfg(feature = "sqlite")]
use forebay_queue_embedded::storage::SqliteStorage;
use forebay_queue_embedded::storage::records::{Head, Lease};
use forebay_queue_embedded::storage::{Storage, StorageError, Store};
use tempfile::TempDir;

/// A database, as the cases see it.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Its file, or the folder of its files.
    pub(crate) files: &'static str,
    /// Whether a full disk stops it for some seconds in everything.
    pub(crate) pauses_when_full: bool,
    /// What damage may pass without a word, of 300 pieces. See `damage`.
    pub(crate) silent: usize,
    /// Makes a database that is somebody else's.
    pub(crate) make_foreign: fn(&Path),
    open: fn(&Path) -> Result<Arc<dyn Storage>, StorageError>,
}

/// By its name.
pub(crate) fn named(name: &str) -> Option<Subject> {
    match name {
        #[cfg(feature = "sqlite")]
        "sqlite" => Some(sqlite()),
        #[cfg(feature = "rocksdb")]
        "rocksdb" => Some(rocksdb()),
        _ => None,
    }
}

#[cfg(feature = "sqlite")]
pub(crate) fn sqlite() -> Subject {
    Subject {
        name: "sqlite",
        files: "queue.db",
        pauses_when_full: false,
        silent: 3,
        make_foreign: |path| {
            let file = path.join("queue.db");
            let connection = rusqlite::Connection::open(file).unwrap();
            connection.execute_batch("CREATE TABLE t (a)").unwrap();
        },
        open: |path| Ok(Arc::new(SqliteStorage::open(path)?)),
    }
}

#[cfg(feature = "rocksdb")]
pub(crate) fn rocksdb() -> Subject {
    Subject {
        name: "rocksdb",
        files: "rocksdb",
        pauses_when_full: true,
        silent: 2,
        make_foreign: |path| {
            let mut options = rocksdb::Options::default();
            options.create_if_missing(true);
            options.create_missing_column_families(true);
            rocksdb::DB::open_cf(&options, path.join("rocksdb"), ["theirs"]).unwrap();
        },
        open: |path| Ok(Arc::new(RocksDbStorage::open(path)?)),
    }
}

impl Subject {
    pub(crate) fn try_open(&self, path: &Path) -> Result<Arc<dyn Storage>, StorageError> {
        (self.open)(path)
    }

    pub(crate) fn open(&self, path: &Path) -> Arc<dyn Storage> {
        self.try_open(path)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    pub(crate) fn store(&self, path: &Path) -> Store {
        Store::new(self.open(path))
    }

    pub(crate) fn refusal(&self, path: &Path) -> StorageError {
        match self.try_open(path) {
            Ok(_) => panic!("{}: it opened", self.name),
            Err(error) => error,
        }
    }
}

/// A folder, in memory where there is such a disk: a process that dies loses nothing there.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        return tempfile::tempdir_in(memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

pub(crate) fn id(number: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    MessageId::from_bytes(bytes)
}

/// A message of a fairness key, published at a time.
pub(crate) fn head(fairness_key: &str, at: u64, number: u64) -> Head {
    let new = NewMessage::new(Kind::from_static("k"), format!("payload {number}"))
        .with_fairness_key(FairnessKey::new(fairness_key).unwrap());
    let message = Message::accept(new, id(number), Timestamp::from_nanos(at));
    Head::new(&message, number)
}

pub(crate) fn lease(until: u64, token: u64) -> Lease {
    Lease {
        consumer: 1,
        until: Timestamp::from_nanos(until),
        token,
        length: std::time::Duration::from_secs(30),
        attempt: 1,
    }
}
