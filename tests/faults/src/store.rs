//! The databases that an embedded queue can have in this build.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay::core::Error;
use forebay::{Backend, Environment, Registry, Settings};
use forebay_queue_embedded::storage::StorageError;
use forebay_queue_embedded::{Database, EmbeddedBackend, EmbeddedOptions};

/// The name of the queue of every scenario.
pub(crate) const QUEUE: &str = "faults";

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    #[cfg(feature = "rocksdb")]
    RocksDb,
}

impl Store {
    /// All of them.
    pub(crate) const ALL: &[Self] = &[
        Self::Sqlite,
        #[cfg(feature = "rocksdb")]
        Self::RocksDb,
    ];

    /// As `QUEUE_BACKEND` has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => "rocksdb",
        }
    }

    /// How long a full disk may keep it from taking an ack. `RocksDB` clears up first, by itself.
    pub(crate) const fn pause_when_full(self) -> Duration {
        match self {
            Self::Sqlite => Duration::from_secs(1),
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => Duration::from_secs(10),
        }
    }

    /// The variables of a queue in this directory, and more.
    pub(crate) fn variables(
        self,
        path: &Path,
        more: &[(&str, &str)],
    ) -> impl Iterator<Item = (String, String)> {
        let path = path.to_string_lossy();
        let own = [("QUEUE_BACKEND", self.name()), ("QUEUE_PATH", &path)];
        let all: Vec<_> = own.iter().chain(more).copied().map(owned).collect();
        all.into_iter()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The backends of this build, the embedded ones among them.
pub(crate) fn registry() -> Registry {
    let registry = forebay::registry().with("sqlite", |settings, environment| {
        Box::pin(open(Database::Sqlite, settings, environment))
    });
    #[cfg(feature = "rocksdb")]
    let registry = registry.with("rocksdb", |settings, environment| {
        Box::pin(open(Database::RocksDb, settings, environment))
    });
    registry
}

async fn open(
    database: Database,
    settings: Settings,
    environment: Environment,
) -> Result<Arc<dyn Backend>, Error> {
    let options = EmbeddedOptions::from_settings(database, &settings)?;
    Ok(Arc::new(EmbeddedBackend::open(options, environment).await?))
}

/// What the store of an embedded queue says was the cause, where it was one.
pub(crate) fn cause(error: &Error) -> Option<&StorageError> {
    let (Error::Unavailable { source, .. } | Error::Interrupted { source, .. }) = error else {
        return None;
    };
    let source = source.as_ref()?;
    let shared = || {
        source
            .downcast_ref::<Arc<StorageError>>()
            .map(|error| &**error)
    };
    source.downcast_ref().or_else(shared)
}
