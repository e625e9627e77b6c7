use std::time::Duration;

use forebay_queue_core::Timestamp;

use super::super::fields::{Reader, Writer};
use super::super::keys::LeaseKey;
use super::super::{Family, seal};
use super::RecordError;

/// Who holds a message.
///
/// Stored, version 1: consumer u64 · until u64 · token u64 · length in nanoseconds u64 · attempt u32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The consumer session.
    pub consumer: u64,
    /// When it ends.
    pub until: Timestamp,
    /// The fencing token of the delivery.
    pub token: u64,
    /// How long it was given for. At most 584 years are kept.
    pub length: Duration,
    /// The attempt that the delivery is. Kept here, so that a hand-out does not write the message anew.
    pub attempt: u32,
}

impl From<Lease> for forebay_queue_engine::Lease {
    fn from(lease: Lease) -> Self {
        Self {
            until: lease.until,
            token: lease.token,
            length: lease.length,
            attempt: lease.attempt,
        }
    }
}

impl Lease {
    pub(in super::super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut body = Writer::with_capacity(36);
        body.u64(self.consumer).u64(self.until.as_nanos());
        body.u64(self.token);
        body.u64(u64::try_from(self.length.as_nanos()).unwrap_or(u64::MAX));
        body.u32(self.attempt);
        seal::close(Family::Leases, key, &body.finish())
    }

    pub(in super::super) fn decode(
        key: &[u8],
        value: &[u8],
    ) -> Result<(LeaseKey, Self), RecordError> {
        let mut body = Reader::new(seal::open(Family::Leases, key, value)?);
        let lease = Self {
            consumer: body.u64()?,
            until: Timestamp::from_nanos(body.u64()?),
            token: body.u64()?,
            length: Duration::from_nanos(body.u64()?),
            attempt: body.u32()?,
        };
        body.end()?;
        Ok((LeaseKey::decode(key)?, lease))
    }
}
