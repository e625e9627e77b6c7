//! What touches the disk.
//!
//! [`Storage`] is a sorted map of bytes in ten [families](Family), with atomic [batches](Batch). `SqliteStorage` (feature
//! `sqlite`, the default) and `RocksDbStorage` (feature `rocksdb`) keep it. [`Store`] gives the bytes their meaning: keys
//! as in [`keys`], values as in [`records`], each sealed with a version and a checksum of its own.
//!
//! Every call blocks; an async caller gives it a thread of its own.
//!
//! This module is public for the crate's own tests. It is not an interface for others and changes without notice.
//!
//! # The directory
//!
//! | file | what it is |
//! |---|---|
//! | `lock` | held while the store is open: one handle at a time, of all processes |
//! | `forebay.store` | text: that this is a store, of which layout and database |
//! | `queue.db`, `queue.db-wal` | SQLite |
//! | `rocksdb/` | `RocksDB` |
//! | `high-water` | the number of the last fsynced batch, so that a log that lost its end is noticed |
//! | `reserve` | space kept back for a full disk |
//!
//! # What damage is noticed
//!
//! A record that was altered, or stands under another key or in another family, fails its checksum when it is read. A log
//! that was damaged in the middle (SQLite) or lost fsynced batches at its end (both) refuses to open. Not noticed: the
//! loss of batches that were only buffered; and, after a power cut, the loss of those whose number had not reached
//! `high-water` yet, since that file is never synced.

#![cfg_attr(
    not(any(feature = "sqlite", feature = "rocksdb")),
    allow(dead_code, reason = "without a database there is nobody to use it")
)]

mod batch;
mod directory;
mod error;
mod family;
mod fields;
mod high_water;
pub mod keys;
pub mod records;
mod reserve;
#[cfg(feature = "rocksdb")]
mod rocks;
mod seal;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::path::Path;

use forebay_queue_core::Durability;

pub use batch::Batch;
pub use error::StorageError;
pub use family::Family;
#[cfg(feature = "rocksdb")]
pub use rocks::RocksDbStorage;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStorage;
pub use store::{ExpiredLease, QueueState, Store};

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// A sorted map of bytes in [families](Family), on a disk.
///
/// Every call may block on the disk. Errors name the directory and never a key or a value. After
/// [`close`](Storage::close) every call answers [`StorageError::Closed`].
pub trait Storage: Send + Sync + fmt::Debug {
    /// Where it is.
    fn directory(&self) -> &Path;

    /// The value under a key.
    ///
    /// # Errors
    /// [`StorageError::Io`] or [`StorageError::Damaged`] as the database says.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// The first rows of a range in order of key, at most `limit`. The next page begins behind the last key: at that
    /// key followed by a zero byte.
    ///
    /// # Errors
    /// As [`get`](Storage::get).
    fn scan(
        &self,
        family: Family,
        range: Range<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError>;

    /// Does all of a batch or nothing of it, and only then answers.
    ///
    /// With [`Durability::Fsynced`] (or more, which one disk cannot give) the batch and everything written before it has
    /// reached the disk; with less it has reached the operating system, which a crash of the process survives and a
    /// power cut may not. An empty fsynced batch brings what was buffered to the disk.
    ///
    /// # Errors
    /// [`StorageError::Full`] where nothing was written because the disk has no room; [`StorageError::TooLarge`] for a
    /// batch, key or value over its limit; [`StorageError::Io`] where the disk failed: whether the batch is there is
    /// then uncertain, and every further write answers [`StorageError::Failed`].
    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError>;

    /// Gives deleted space back to the file system. Blocks all else meanwhile, and may need as much free space as the
    /// live data take, twice.
    ///
    /// # Errors
    /// As [`write`](Storage::write); the data are unharmed.
    fn compact(&self) -> Result<(), StorageError>;

    /// Bytes that the database takes on the disk, without the reserve.
    ///
    /// # Errors
    /// [`StorageError::Io`] when its files cannot be looked at.
    fn size(&self) -> Result<u64, StorageError>;

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// As [`write`](Storage::write).
    fn flush(&self) -> Result<(), StorageError>;

    /// Brings everything to the disk, closes the database and frees the directory. A second time it does nothing.
    ///
    /// # Errors
    /// [`StorageError::Io`] when the disk failed; it is closed all the same.
    fn close(&self) -> Result<(), StorageError>;
}

/// Whether there is a store in a directory, of whatever database and layout.
pub(crate) fn is_store(path: &Path) -> bool {
    directory::has_manifest(path)
}

/// That there is none.
pub(crate) fn no_store(path: &Path) -> StorageError {
    StorageError::Foreign {
        directory: path.to_owned(),
        found: "there is no store in it".to_owned(),
    }
}

/// Whether a batch has to reach the disk.
fn is_fsynced(durability: Durability) -> bool {
    matches!(durability, Durability::Fsynced | Durability::Replicated(_))
}
