use std::path::Path;

use crate::options::Database;
use crate::storage::{Storage, StorageError};

/// How many bytes a store took on the disk, and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Gives the space of what was removed back to the file system. The store must not be in use; this may take as much free space
/// as the live data do, twice. Blocks.
///
/// # Errors
/// [`StorageError`] when there is no store in the directory, it cannot be opened, or the disk fails; what is stored is unharmed.
pub fn compact(path: &Path) -> Result<Compacted, StorageError> {
    let storage = open_any(path)?;
    let before = storage.size()?;
    storage.compact()?;
    let after = storage.size()?;
    storage.close()?;
    Ok(Compacted { before, after })
}

/// Opens the store that is there, of whichever database it is.
fn open_any(path: &Path) -> Result<Box<dyn Storage>, StorageError> {
    let mut foreign = crate::storage::no_store(path);
    if !crate::storage::is_store(path) {
        return Err(foreign);
    }
    for database in Database::ALL {
        match database.open(path) {
            Err(error @ StorageError::Foreign { .. }) => foreign = error,
            opened => return opened,
        }
    }
    Err(foreign)
}
