use std::num::NonZeroU32;
use std::time::Duration;

use forebay_queue_core::{Throttle, Timestamp, Weight};
use forebay_queue_engine::{Level, Share};

use super::super::fields::{Reader, Writer};
use super::RecordError;

/// Stored: weight u16 · the most living leases u32, 0 where there is no limit.
pub(in super::super) fn encode_share(share: Share) -> Vec<u8> {
    let mut body = Writer::with_capacity(6);
    body.u16(share.weight.get());
    body.u32(share.limit.map_or(0, NonZeroU32::get));
    body.finish()
}

pub(in super::super) fn decode_share(bytes: &[u8]) -> Result<Share, RecordError> {
    let mut body = Reader::new(bytes);
    let weight = body.u16()?;
    let share = Share {
        weight: Weight::new(weight).map_err(|_| RecordError::Invalid { what: "weight" })?,
        limit: NonZeroU32::new(body.u32()?),
    };
    body.end()?;
    Ok(share)
}

/// Stored: tokens u32 · per so many nanoseconds u64 · burst u32 · level u128 · when that was u64.
pub(in super::super) fn encode_level(level: &Level) -> Vec<u8> {
    let throttle = &level.throttle;
    let mut body = Writer::with_capacity(40);
    body.u32(throttle.tokens());
    body.u64(u64::try_from(throttle.per().as_nanos()).unwrap_or(u64::MAX));
    body.u32(throttle.burst());
    body.bytes(&level.level.to_be_bytes());
    body.u64(level.as_of.as_nanos());
    body.finish()
}

pub(in super::super) fn decode_level(bytes: &[u8]) -> Result<Level, RecordError> {
    let mut body = Reader::new(bytes);
    let tokens = body.u32()?;
    let per = Duration::from_nanos(body.u64()?);
    let burst = body.u32()?;
    let throttle = Throttle::new(tokens, per).and_then(|throttle| throttle.with_burst(burst));
    let level = Level {
        throttle: throttle.map_err(|_| RecordError::Invalid { what: "throttle" })?,
        level: u128::from_be_bytes(body.array()?),
        as_of: Timestamp::from_nanos(body.u64()?),
    };
    body.end()?;
    Ok(level)
}
