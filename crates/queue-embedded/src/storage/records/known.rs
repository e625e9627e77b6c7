use forebay_queue_core::{Fingerprint, MessageId, Timestamp};
use forebay_queue_engine::Known;

use super::super::fields::{Reader, Writer};
use super::super::keys::KnownKey;
use super::super::{Family, seal};
use super::RecordError;

/// Stored, version 1: id 16 · until u64 · whether there is a fingerprint u8 · \[fingerprint 32\].
pub(in super::super) fn encode_known(known: &Known, key: &[u8]) -> Vec<u8> {
    let mut body = Writer::with_capacity(57);
    body.bytes(known.id.as_bytes()).u64(known.until.as_nanos());
    match &known.fingerprint {
        None => body.u8(0),
        Some(fingerprint) => body.u8(1).bytes(&fingerprint.0),
    };
    seal::close(Family::Keys, key, &body.finish())
}

pub(in super::super) fn decode_known(
    key: &[u8],
    value: &[u8],
) -> Result<(KnownKey, Known), RecordError> {
    let mut body = Reader::new(seal::open(Family::Keys, key, value)?);
    let known = Known {
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
