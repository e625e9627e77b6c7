//! What the embedded queue promises besides the semantics that every queue has.
#![cfg(any(feature = "sqlite", feature = "rocksdb"))]
#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod durability;
mod full_load;
mod lives;
mod space;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Backend, Environment, Kind, Management, NewMessage, Queue, QueueConfig, QueueName, Receipt,
};
use forebay_queue_embedded::{Database, EmbeddedBackend, EmbeddedOptions, Sync};
use tempfile::TempDir;

pub(crate) const NOW: Duration = Duration::ZERO;
/// Longer than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A test for each store.
macro_rules! on_each_store {
    ($($name:ident),* $(,)?) => {
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(forebay_queue_embedded::Database::Sqlite).await;
                }
            )*
        }
        #[cfg(feature = "rocksdb")]
        mod rocksdb {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(forebay_queue_embedded::Database::RocksDb).await;
                }
            )*
        }
    };
}
pub(crate) use on_each_store;

/// A store with one queue.
pub(crate) struct World {
    pub(crate) backend: EmbeddedBackend,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) management: Arc<dyn Management>,
    pub(crate) options: EmbeddedOptions,
    pub(crate) directory: TempDir,
}

impl World {
    pub(crate) async fn new(database: Database) -> Self {
        Self::with(database, Sync::Always, &QueueConfig::default()).await
    }

    pub(crate) async fn with(database: Database, sync: Sync, config: &QueueConfig) -> Self {
        // On a real disk, so that a sync is one.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = EmbeddedOptions::new(database, path(&directory)).with_sync(sync);
        let backend = open(&options).await;
        backend.create(&name(), config).await.unwrap();
        Self::on(backend, options, directory).await
    }

    async fn on(backend: EmbeddedBackend, options: EmbeddedOptions, directory: TempDir) -> Self {
        Self {
            queue: backend.open(&name(), None).await.unwrap(),
            management: backend.manage(&name()).await.unwrap(),
            backend,
            options,
            directory,
        }
    }

    /// The same store in its next life.
    pub(crate) async fn reopened(self) -> Self {
        self.backend.close().await.unwrap();
        let backend = open(&self.options).await;
        Self::on(backend, self.options, self.directory).await
    }

    pub(crate) fn path(&self) -> PathBuf {
        path(&self.directory)
    }

    pub(crate) async fn publish(&self, message: NewMessage) {
        self.queue.publish(vec![message], NOW).await.unwrap();
    }

    /// Receives and acks all that is ready; answers how many that were.
    pub(crate) async fn drain(&self) -> usize {
        let mut count = 0;
        loop {
            let deliveries = self.queue.receive(256, NOW).await.unwrap();
            if deliveries.is_empty() {
                return count;
            }
            count += deliveries.len();
            let receipts: Vec<Receipt> = deliveries.iter().map(|d| d.receipt.clone()).collect();
            self.queue.ack(&receipts).await.unwrap();
        }
    }
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("queue")
}

pub(crate) async fn open(options: &EmbeddedOptions) -> EmbeddedBackend {
    let opened = EmbeddedBackend::open(options.clone(), Environment::system()).await;
    opened.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}

pub(crate) fn name() -> QueueName {
    QueueName::from_static("jobs")
}

pub(crate) fn message(payload: impl Into<Vec<u8>>) -> NewMessage {
    NewMessage::new(Kind::from_static("job"), payload.into())
}

/// How many fsynced batches the store has counted.
pub(crate) fn fsyncs(path: &Path) -> u64 {
    let file = std::fs::read(path.join("high-water")).unwrap_or_default();
    let number = file.get(8..16).and_then(|bytes| bytes.try_into().ok());
    number.map_or(0, u64::from_be_bytes)
}
