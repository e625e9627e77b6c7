use forebay_queue_core::{Fingerprint, MessageId, Timestamp};

use super::super::fields::{Reader, Writer};
use super::super::keys::KnownKey;
use super::super::{Family, seal};
use super::RecordError;

/// What an idempotency key stands for.
///
/// Stored, version 1: id 16 · until u64 · whether there is a fingerprint u8 · \[fingerprint 32\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The message that was published first.
    pub id: MessageId,
    /// What the key stood for.
    pub fingerprint: Option<Fingerprint>,
    /// When its window ends.
    pub until: Timestamp,
}

impl Known {
    pub(in super::super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut body = Writer::with_capacity(57);
        body.bytes(self.id.as_bytes()).u64(self.until.as_nanos());
        match &self.fingerprint {
            None => body.u8(0),
            Some(fingerprint) => body.u8(1).bytes(&fingerprint.0),
        };
        seal::close(Family::Keys, key, &body.finish())
    }

    pub(in super::super) fn decode(
        key: &[u8],
        value: &[u8],
    ) -> Result<(KnownKey, Self), RecordError> {
        let mut body = Reader::new(seal::open(Family::Keys, key, value)?);
        let known = Self {
            id: MessageId::from_bytes(body.array()?),
            until: Timestamp::from_nanos(body.u64()?),
            fingerprint: match body.u8()? {
                0 => None,
                1 => Some(Fingerprint(body.array()?)),
                _ => return Err(RecordError::Invalid { what: "flag" }),
            },
        };
        body.end()?;
        Ok((KnownKey::decode(key)?, known))
    }
}
