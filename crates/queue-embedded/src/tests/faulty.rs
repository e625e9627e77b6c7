use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use forebay_queue_core::Durability;
use parking_lot::{Mutex, MutexGuard};

use crate::storage::{Batch, Family, Row, SqliteStorage, Storage, StorageError};

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no room: nothing is written.
    Full,
    /// The disk fails, and nothing is written.
    FailsBefore,
    /// The disk fails, and all is written.
    FailsAfter,
}

/// What is to go wrong. Outlives the handles of the store.
#[derive(Debug, Default)]
pub(super) struct Plan {
    faults: Mutex<VecDeque<Fault>>,
    writing: Mutex<()>,
    refuses: Mutex<bool>,
    damaged: Mutex<usize>,
}

impl Plan {
    /// The next writes fail so.
    pub(super) fn next(&self, faults: &[Fault]) {
        self.faults.lock().extend(faults);
    }

    /// Nothing is written for as long as this is held.
    pub(super) fn block(&self) -> MutexGuard<'_, ()> {
        self.writing.lock()
    }

    /// Whether the store cannot be opened.
    pub(super) fn refuse_to_open(&self, refuses: bool) {
        *self.refuses.lock() = refuses;
    }

    /// The next so many payloads that are read are damaged.
    pub(super) fn damage_payloads(&self, count: usize) {
        *self.damaged.lock() = count;
    }
}

/// A store whose writes fail where its plan says so.
#[derive(Debug)]
pub(super) struct FaultyStorage {
    inner: SqliteStorage,
    plan: Arc<Plan>,
}

impl FaultyStorage {
    pub(super) fn open(path: &Path, plan: Arc<Plan>) -> Result<Self, StorageError> {
        if *plan.refuses.lock() {
            return Err(failure(path));
        }
        Ok(Self {
            inner: SqliteStorage::open(path)?,
            plan,
        })
    }
}

fn failure(path: &Path) -> StorageError {
    StorageError::Io {
        directory: path.to_owned(),
        doing: "do as a test says",
        source: "a fault".into(),
    }
}

impl Storage for FaultyStorage {
    fn directory(&self) -> &Path {
        self.inner.directory()
    }

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.inner.get(family, key)?;
        let mut damaged = self.plan.damaged.lock();
        if family == Family::Payloads && *damaged > 0 {
            *damaged -= 1;
            return Ok(found.map(|mut value| {
                value[1] ^= 1;
                value
            }));
        }
        Ok(found)
    }

    fn scan(
        &self,
        family: Family,
        range: Range<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.inner.scan(family, range, limit)
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError> {
        let _writing = self.plan.writing.lock();
        let fault = self.plan.faults.lock().pop_front();
        match fault {
            None => self.inner.write(batch, durability),
            Some(Fault::Full) => Err(StorageError::Full {
                directory: self.directory().to_owned(),
            }),
            Some(Fault::FailsBefore) => Err(failure(self.directory())),
            Some(Fault::FailsAfter) => {
                self.inner.write(batch, durability)?;
                Err(failure(self.directory()))
            }
        }
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.inner.compact()
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.inner.size()
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.inner.flush()
    }

    fn close(&self) -> Result<(), StorageError> {
        self.inner.close()
    }
}
