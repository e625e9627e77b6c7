mod ended;
mod leases;
mod messages;
mod queues;
mod scheduling;
mod states;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use forebay_queue_core::Durability;

use super::records::RecordError;
use super::{Batch, Family, Row, Storage, StorageError, keys, seal};

pub use leases::ExpiredLease;
pub use scheduling::QueueState;

/// What the bytes of a [`Storage`] mean: messages, leases, queues, state, ended messages and idempotency keys.
///
/// Changes are gathered in a [`Batch`], whose typed methods stand beside the readers here, and written with
/// [`write`](Store::write). Lists come in pages: each takes what the last page ended with.
#[derive(Clone, Debug)]
pub struct Store {
    storage: Arc<dyn Storage>,
}

impl Store {
    /// On top of a storage.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// What it is on top of.
    pub fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// Writes a batch: [`Storage::write`].
    ///
    /// # Errors
    /// As [`Storage::write`].
    pub fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError> {
        self.storage.write(batch, durability)
    }

    fn get<T>(
        &self,
        family: Family,
        key: &[u8],
        decode: impl FnOnce(Vec<u8>) -> Result<T, RecordError>,
    ) -> Result<Option<T>, StorageError> {
        let Some(value) = self.storage.get(family, key)? else {
            return Ok(None);
        };
        let decoded = decode(value).map_err(|error| self.unreadable(family, error))?;
        Ok(Some(decoded))
    }

    /// Rows of a range that lie behind a key.
    fn list<T>(
        &self,
        family: Family,
        range: Range<Vec<u8>>,
        after: Option<Vec<u8>>,
        limit: usize,
        decode: impl Fn(Row) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, StorageError> {
        let from = after.map_or(range.start, keys::behind);
        let rows = self.storage.scan(family, &*from..&*range.end, limit)?;
        let decode = |row| decode(row).map_err(|error| self.unreadable(family, error));
        rows.into_iter().map(decode).collect()
    }

    /// What it means that a message has no payload.
    pub(crate) fn missing_payload(&self) -> StorageError {
        let part = format!("the family {}", Family::Payloads.name());
        StorageError::damaged(
            self.storage.directory(),
            &part,
            "the payload of a message is missing",
        )
    }

    fn unreadable(&self, family: Family, error: RecordError) -> StorageError {
        unreadable(self.storage.directory(), family, error)
    }
}

/// What a record that cannot be read means to its store.
pub(super) fn unreadable(directory: &Path, family: Family, error: RecordError) -> StorageError {
    let part = format!("the family {}", family.name());
    match error {
        RecordError::Version { version } => StorageError::UnknownVersion {
            directory: directory.to_owned(),
            part: format!("a record in {part}"),
            version: version.into(),
            known: seal::VERSION.into(),
        },
        _ => StorageError::damaged(directory, &part, error.to_string()),
    }
}
