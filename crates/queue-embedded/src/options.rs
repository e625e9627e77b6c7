use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use forebay_queue_core::{Error, Settings, Variable};

use crate::storage::{Storage, StorageError, Store};

const PATH: &str = "QUEUE_PATH";
const SYNC: &str = "QUEUE_SYNC";
const PATHS: &str = "the path of a directory, of this backend alone";
const SYNCS: &str = "always, never, or a duration from 1ms to 1m";

/// The variables that [`EmbeddedOptions::from_settings`] reads.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: PATH,
        default: "",
        allowed: PATHS,
        meaning: "where `sqlite` and `rocksdb` keep their queues; made where it is missing",
    },
    Variable {
        name: SYNC,
        default: "always",
        allowed: SYNCS,
        meaning: "when what `sqlite` and `rocksdb` accept reaches the disk: before it is answered, whenever the system likes, or \
             that often",
    },
];

/// Where the queues are kept, and how surely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedOptions {
    pub(crate) database: Database,
    pub(crate) path: PathBuf,
    pub(crate) sync: Sync,
}

/// Which database keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Database {
    /// SQLite: one file, opens at once.
    #[cfg(feature = "sqlite")]
    Sqlite,
    /// `RocksDB`: a tenth of the bytes written.
    #[cfg(feature = "rocksdb")]
    RocksDb,
}

/// When what was accepted reaches the disk. Whichever it is, the end of the process alone loses nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before it is answered: all who wait share one fsync. A power cut loses nothing that was answered.
    #[default]
    Always,
    /// That often, in the background. A power cut may lose what was accepted since the last time.
    Every(Duration),
    /// When the operating system likes.
    Never,
}

impl EmbeddedOptions {
    /// In this directory, which is made where it is missing; everything accepted is fsynced.
    pub fn new(database: Database, path: impl Into<PathBuf>) -> Self {
        Self {
            database,
            path: path.into(),
            sync: Sync::Always,
        }
    }

    /// Another time at which what was accepted reaches the disk.
    #[must_use]
    pub fn with_sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// Reads [`VARIABLES`].
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for the first that cannot be used, and where `QUEUE_PATH` is not set.
    pub fn from_settings(database: Database, settings: &Settings) -> Result<Self, Error> {
        let path = settings.get(PATH).ok_or_else(|| Error::InvalidSetting {
            name: PATH.to_owned(),
            value: String::new(),
            allowed: PATHS.to_owned(),
        })?;
        let sync = settings.parse(SYNC, SYNCS)?;
        Ok(Self::new(database, path).with_sync(sync.unwrap_or_default()))
    }
}

impl Database {
    /// All of this build.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "sqlite")]
        Self::Sqlite,
        #[cfg(feature = "rocksdb")]
        Self::RocksDb,
    ];

    /// Its name, as in `QUEUE_BACKEND`.
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "sqlite",
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => "rocksdb",
        }
    }
}

impl Database {
    /// Opens the store in a directory, or makes one.
    pub(crate) fn open(self, path: &Path) -> Result<Box<dyn Storage>, StorageError> {
        Ok(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Box::new(crate::storage::SqliteStorage::open(path)?),
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => Box::new(crate::storage::RocksDbStorage::open(path)?),
        })
    }
}

impl EmbeddedOptions {
    pub(crate) fn open_store(&self) -> Result<Store, StorageError> {
        let storage = self.database.open(&self.path)?;
        Ok(Store::new(storage.into()))
    }
}

impl FromStr for Sync {
    type Err = Error;

    /// Reads `always`, `never` or a duration.
    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Invalid {
            what: "sync",
            problem: "it is none of the known values".to_owned(),
            allowed: SYNCS,
        };
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => {
                let every = humantime::parse_duration(text).map_err(|_| invalid())?;
                let is_allowed =
                    (Duration::from_millis(1)..=Duration::from_mins(1)).contains(&every);
                is_allowed.then_some(Self::Every(every)).ok_or_else(invalid)
            }
        }
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Never => f.write_str("never"),
            Self::Every(span) => humantime::format_duration(*span).fmt(f),
        }
    }
}
