use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::directory::Directory;
use super::records::{self, RecordError};
use super::{Family, StorageError, seal, store};

pub(super) const FILE: &str = "high-water";
const MAGIC: &[u8; 8] = b"fbywater";

/// Under which the number of the last fsynced batch is kept, in [`Family::Default`] and in that same batch.
pub(super) const NUMBER: &[u8] = b"number";

/// Counts fsynced batches twice: in the database, within each, and in a file of its own after each. A log that has lost
/// its end without a trace opens with a lower number than the file has.
///
/// The file is written and never synced. It can only be behind, which hides a loss and never invents one: a power cut may
/// take what was written to it, but nothing is written before the disk has the batch.
///
/// File: magic 8 · number u64 · CRC-32C u32.
#[derive(Debug)]
pub(super) struct HighWater {
    file: File,
    number: u64,
}

impl HighWater {
    /// Compares what the database says with what the file says. `part` is what has lost something if they differ.
    pub(super) fn open(
        path: &Path,
        directory: &Directory,
        stored: Option<&[u8]>,
        part: &str,
    ) -> Result<Self, StorageError> {
        let fault = |error| StorageError::of_file(path, "open high-water", error);
        let number = match stored {
            Some(value) => {
                decode(value).map_err(|error| store::unreadable(path, Family::Default, error))?
            }
            None => 0,
        };
        let mut options = File::options();
        let options = options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(directory.file(FILE)).map_err(fault)?;
        let reached = read(&mut file).map_err(fault)?;
        if let Some(missing) = reached.checked_sub(number).filter(|missing| *missing > 0) {
            return Err(StorageError::damaged(
                path,
                part,
                format!(
                    "fsynced batches are missing at its end ({missing}); to go on without them, remove {FILE}"
                ),
            ));
        }
        Ok(Self { file, number })
    }

    /// What the next fsynced batch has to hold besides.
    pub(super) fn next(&self) -> Vec<u8> {
        let number = self.number + 1;
        records::encode_bytes(Family::Default, NUMBER, &number.to_be_bytes())
    }

    /// The next fsynced batch is on the disk.
    pub(super) fn advance(&mut self) {
        self.number += 1;
        // A file that cannot be written is behind, which is allowed.
        let _ = write(&mut self.file, self.number);
    }
}

fn decode(value: &[u8]) -> Result<u64, RecordError> {
    let number = records::decode_bytes(Family::Default, NUMBER, value)?;
    let number = number.try_into().map_err(|_| RecordError::Long)?;
    Ok(u64::from_be_bytes(number))
}

/// The number in the file; 0 where a power cut or damage left none.
fn read(file: &mut File) -> io::Result<u64> {
    let mut bytes = Vec::with_capacity(20);
    file.rewind()?;
    file.take(64).read_to_end(&mut bytes)?;
    let number = bytes.split_last_chunk::<4>().and_then(|(fields, sum)| {
        let number = fields.strip_prefix(MAGIC)?;
        let is_whole = seal::plain(fields) == u32::from_be_bytes(*sum);
        let number = number.try_into().ok().filter(|_| is_whole)?;
        Some(u64::from_be_bytes(number))
    });
    Ok(number.unwrap_or(0))
}

/// In one call, so that the death of the process leaves the old bytes or the new ones.
fn write(file: &mut File, number: u64) -> io::Result<()> {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&number.to_be_bytes());
    let sum = seal::plain(&bytes[..16]);
    bytes[16..].copy_from_slice(&sum.to_be_bytes());
    file.rewind()?;
    file.write_all(&bytes)
}
