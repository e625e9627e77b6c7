//! What every stored value is wrapped in: a version byte before it, and a checksum behind it over its family, its key, its
//! version and itself. A value that was altered, or that stands under another key or in another family, does not open.
//!
//! `version u8 · body · CRC-32C u32`, the checksum being over `family u8 · length of the key u32 · key · version · body`.
//! The checksum is looked at first, so that a damaged version is damage and no other version.

use crc::{CRC_32_ISCSI, Crc, Table};

use super::Family;
use super::records::RecordError;

/// The only version there is, of every family.
pub(super) const VERSION: u8 = 1;

static CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Bytes that the seal adds.
const BEFORE: usize = 1;
const BEHIND: usize = 4;

/// Wraps a body.
pub(super) fn close(family: Family, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(BEFORE + body.len() + BEHIND);
    value.push(VERSION);
    value.extend_from_slice(body);
    let sum = checksum(family, key, &value);
    value.extend_from_slice(&sum.to_be_bytes());
    value
}

/// The body inside a value.
pub(super) fn open<'a>(
    family: Family,
    key: &[u8],
    value: &'a [u8],
) -> Result<&'a [u8], RecordError> {
    let (sealed, sum) = value
        .split_last_chunk::<BEHIND>()
        .ok_or(RecordError::Short)?;
    if checksum(family, key, sealed) != u32::from_be_bytes(*sum) {
        return Err(RecordError::Checksum);
    }
    match sealed.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((&version, _)) => Err(RecordError::Version { version }),
        None => Err(RecordError::Short),
    }
}

/// The checksum of some bytes alone.
pub(super) fn plain(bytes: &[u8]) -> u32 {
    CHECKSUM.checksum(bytes)
}

fn checksum(family: Family, key: &[u8], sealed: &[u8]) -> u32 {
    let mut digest = CHECKSUM.digest();
    // A key is at most 1 KiB.
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    digest.update(&[family.tag()]);
    digest.update(&length.to_be_bytes());
    digest.update(key);
    digest.update(sealed);
    digest.finalize()
}
