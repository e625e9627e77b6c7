//! The values of rows. Each is sealed with a version and a checksum (see `seal`); inside, numbers are big-endian, strings
//! have a u16 length before them, times are nanoseconds since the Unix epoch.
//!
//! What the key says (the queue, the id) is not said again in the value.

mod ended;
mod head;
mod known;
mod lease;
mod queue_config;
mod scheduling;

pub use ended::Ended;
pub use forebay_queue_engine::{Known, Place};
pub use head::Head;
pub use lease::Lease;

use bytes::Bytes;

use super::{Family, seal};

pub(super) use known::{decode_known, encode_known};
pub(super) use queue_config::{decode_queue, encode_queue};
pub(super) use scheduling::{decode_level, decode_share, encode_level, encode_share};

/// Why a stored key or value cannot be read. Says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It does not match its checksum: it was altered, or stands under another key.
    #[error("a record does not match its checksum")]
    Checksum,
    /// A version that this program does not know.
    #[error("a record has the unknown version {version}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// It ends too early.
    #[error("a record ends too early")]
    Short,
    /// Something follows its end.
    #[error("a record is longer than it says")]
    Long,
    /// A part that breaks its rule.
    #[error("a record holds a {what} that breaks its rule")]
    Invalid {
        /// Which part.
        what: &'static str,
    },
}

/// The payload of a message as it is stored: the bytes themselves.
pub(super) fn encode_payload(key: &[u8], payload: &[u8]) -> Vec<u8> {
    seal::close(Family::Payloads, key, payload)
}

/// The payload, without a copy.
pub(super) fn decode_payload(key: &[u8], value: Vec<u8>) -> Result<Bytes, RecordError> {
    let length = seal::open(Family::Payloads, key, &value)?.len();
    Ok(Bytes::from(value).slice(1..=length))
}

/// A value that is bytes to this module.
pub(super) fn encode_bytes(family: Family, key: &[u8], bytes: &[u8]) -> Vec<u8> {
    seal::close(family, key, bytes)
}

/// The bytes again.
pub(super) fn decode_bytes(
    family: Family,
    key: &[u8],
    value: &[u8],
) -> Result<Vec<u8>, RecordError> {
    seal::open(family, key, value).map(<[u8]>::to_vec)
}
