use std::fmt;
use std::path::Path;

use super::{Family, StorageError};

/// Changes that happen together or not at all, in the order in which they were added.
///
/// The typed changes (`put_message`, `put_lease`, …) are beside the types that read them back.
#[derive(Clone, Default)]
pub struct Batch {
    operations: Vec<Operation>,
    bytes: usize,
    settles: bool,
    puts: bool,
}

/// One change.
#[derive(Clone)]
pub(super) enum Operation {
    Put {
        family: Family,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Delete {
        family: Family,
        key: Vec<u8>,
    },
    DeleteRange {
        family: Family,
        from: Vec<u8>,
        to: Vec<u8>,
    },
}

impl Batch {
    /// The most bytes of a key.
    pub const MAX_KEY: usize = 1024;
    /// The most bytes of a value.
    pub const MAX_VALUE: usize = 64 << 20;
    /// The most bytes of all keys and values of a batch together.
    pub const MAX_BYTES: usize = 128 << 20;

    /// No change.
    pub fn new() -> Self {
        Self::default()
    }

    /// This batch settles messages or hands them out: on a full disk it may use the space that is kept back, so that the
    /// queue can drain. A publish must not. A batch that only deletes may in any case.
    pub fn settling(mut self) -> Self {
        self.settles = true;
        self
    }

    /// Whether this batch is one as [`settling`](Self::settling) makes it.
    pub fn set_settling(&mut self, settles: bool) {
        self.settles = settles;
    }

    /// Sets the value under a key.
    pub fn put(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) -> &mut Self {
        self.bytes += key.len() + value.len();
        self.puts = true;
        self.operations.push(Operation::Put { family, key, value });
        self
    }

    /// Removes a key; that it is not there is no error.
    pub fn delete(&mut self, family: Family, key: Vec<u8>) -> &mut Self {
        self.bytes += key.len();
        self.operations.push(Operation::Delete { family, key });
        self
    }

    /// Removes all keys from `from` on and before `to`.
    pub fn delete_range(&mut self, family: Family, from: Vec<u8>, to: Vec<u8>) -> &mut Self {
        self.bytes += from.len() + to.len();
        self.operations
            .push(Operation::DeleteRange { family, from, to });
        self
    }

    /// Adds what another one has.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.bytes += other.bytes;
        self.puts |= other.puts;
        self.operations.extend(other.operations);
        self
    }

    /// Leaves out all but the first `length` changes.
    pub fn truncate(&mut self, length: usize) {
        self.operations.truncate(length);
        let is_put = |operation: &Operation| matches!(operation, Operation::Put { .. });
        self.puts = self.operations.iter().any(is_put);
        self.bytes = self.operations.iter().map(Operation::bytes).sum();
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether it may use the reserve.
    pub(super) fn may_use_reserve(&self) -> bool {
        self.settles || !self.puts
    }

    /// Whether every limit is kept.
    pub(super) fn check(&self, directory: &Path) -> Result<(), StorageError> {
        let fits = |what, size, limit| {
            if size <= limit {
                return Ok(());
            }
            Err(StorageError::TooLarge {
                directory: directory.to_owned(),
                what,
                size,
                limit,
            })
        };
        for operation in &self.operations {
            match operation {
                Operation::Put { key, value, .. } => {
                    fits("bytes of one key", key.len(), Self::MAX_KEY)?;
                    fits("bytes of one value", value.len(), Self::MAX_VALUE)?;
                }
                Operation::Delete { key, .. } => {
                    fits("bytes of one key", key.len(), Self::MAX_KEY)?;
                }
                Operation::DeleteRange { from, to, .. } => {
                    fits("bytes of one key", from.len().max(to.len()), Self::MAX_KEY)?;
                }
            }
        }
        fits("bytes of one batch", self.bytes, Self::MAX_BYTES)
    }
}

impl Operation {
    fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Delete { key, .. } => key.len(),
            Self::DeleteRange { from, to, .. } => from.len() + to.len(),
        }
    }
}

impl fmt::Debug for Batch {
    /// Prints counts, not content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("operations", &self.operations.len())
            .field("bytes", &self.bytes)
            .field("settles", &self.settles)
            .finish_non_exhaustive()
    }
}
