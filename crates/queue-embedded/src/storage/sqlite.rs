mod database;
mod wal;

use std::ops::Range;
use std::path::{Path, PathBuf};

use forebay_queue_core::Durability;
use parking_lot::Mutex;

use self::database::SqliteFile;
use super::directory::{Database, Directory};
use super::{Batch, Family, Row, Storage, StorageError, is_fsynced};

const DATABASE: Database = Database {
    name: "sqlite",
    files: "queue.db",
};

/// A [`Storage`] in one SQLite file with a write-ahead log.
///
/// It opens at once, however much it holds, and survives a full disk on the same handle. Deleted space is used again, but
/// the file shrinks only by [`compact`](Storage::compact). One thread at a time reads or writes.
#[derive(Debug)]
pub struct SqliteStorage {
    path: PathBuf,
    file: Mutex<Option<SqliteFile>>,
}

impl SqliteStorage {
    /// Opens the store in a directory, or makes one where it is empty or missing.
    ///
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::Foreign`], [`StorageError::UnknownVersion`], [`StorageError::ReadOnly`] or
    /// [`StorageError::Damaged`] as found there, with everything left as it was; [`StorageError::Full`] or
    /// [`StorageError::Io`] as the disk says.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let directory = Directory::open(path, DATABASE)?;
        let file = SqliteFile::open(path, directory)?;
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(Some(file)),
        })
    }

    fn with<T>(
        &self,
        call: impl FnOnce(&mut SqliteFile) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut file = self.file.lock();
        call(
            file.as_mut()
                .ok_or_else(|| StorageError::closed(&self.path))?,
        )
    }
}

impl Storage for SqliteStorage {
    fn directory(&self) -> &Path {
        &self.path
    }

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.with(|file| file.get(family, key))
    }

    fn scan(
        &self,
        family: Family,
        range: Range<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.with(|file| file.scan(family, range, limit))
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError> {
        batch.check(&self.path)?;
        self.with(|file| file.write(batch, is_fsynced(durability)))
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.with(SqliteFile::compact)
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.with(|file| file.size())
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.write(&Batch::new(), Durability::Fsynced)
    }

    fn close(&self) -> Result<(), StorageError> {
        match self.file.lock().take() {
            Some(file) => file.close(),
            None => Ok(()),
        }
    }
}
