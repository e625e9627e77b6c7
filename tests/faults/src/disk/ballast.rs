//! What somebody else wrote on a disk.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Result, bail};

const NAME: &str = "ballast";

/// Writes so many bytes more of it, or as many as fit, and says how many that were.
pub(super) fn take(disk: &Path, bytes: u64) -> Result<u64> {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(disk.join(NAME))?;
    let mut written = 0;
    let mut piece = vec![0; 64 * 1024];
    while !piece.is_empty() && written < bytes {
        let left = usize::try_from(bytes - written).unwrap_or(usize::MAX);
        match file.write(&piece[..piece.len().min(left)]) {
            Ok(0) => break,
            Ok(count) => written += count as u64,
            // The last page counts too.
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                piece.truncate(piece.len() / 2);
            }
            Err(error) => bail!(error),
        }
    }
    Ok(written)
}

/// Removes all of it.
pub(super) fn remove(disk: &Path) -> Result<()> {
    Ok(fs::remove_file(disk.join(NAME))?)
}
