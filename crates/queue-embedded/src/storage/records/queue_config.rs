//! A queue's configuration.
//!
//! Stored, version 1: lease, `idempotency_window`, `dead_letter_retention`, `retain_done` (each seconds u64, nanoseconds u32) ·
//! capacity, `idempotency_limit`, `dead_letter_limit`, `retain_done_limit` (each u64) · whether there is a dead-letter queue
//! u8 · \[its name\].

use std::time::Duration;

use forebay_queue_core::{QueueConfig, QueueName};

use super::super::fields::{Reader, Writer};
use super::super::{Family, keys, seal};
use super::RecordError;

pub(in super::super) fn encode_queue(key: &[u8], config: &QueueConfig) -> Vec<u8> {
    let mut body = Writer::with_capacity(96);
    for span in [
        config.lease,
        config.idempotency_window,
        config.dead_letter_retention,
        config.retain_done,
    ] {
        body.u64(span.as_secs()).u32(span.subsec_nanos());
    }
    for count in [
        config.capacity,
        config.idempotency_limit,
        config.dead_letter_limit,
        config.retain_done_limit,
    ] {
        body.u64(count as u64);
    }
    match &config.dead_letter_queue {
        None => body.u8(0),
        Some(queue) => body.u8(1).text(queue.as_str()),
    };
    seal::close(Family::Queues, key, &body.finish())
}

pub(in super::super) fn decode_queue(
    key: &[u8],
    value: &[u8],
) -> Result<(QueueName, QueueConfig), RecordError> {
    let mut body = Reader::new(seal::open(Family::Queues, key, value)?);
    let mut spans = [Duration::ZERO; 4];
    for span in &mut spans {
        *span = self::span(&mut body)?;
    }
    let mut counts = [0; 4];
    for count in &mut counts {
        *count =
            usize::try_from(body.u64()?).map_err(|_| RecordError::Invalid { what: "count" })?;
    }
    let dead_letter_queue = match body.u8()? {
        0 => None,
        1 => Some(
            QueueName::new(body.text()?)
                .map_err(|_| RecordError::Invalid { what: "queue name" })?,
        ),
        _ => return Err(RecordError::Invalid { what: "flag" }),
    };
    body.end()?;
    let [
        lease,
        idempotency_window,
        dead_letter_retention,
        retain_done,
    ] = spans;
    let [
        capacity,
        idempotency_limit,
        dead_letter_limit,
        retain_done_limit,
    ] = counts;
    let config = QueueConfig {
        lease,
        capacity,
        idempotency_window,
        idempotency_limit,
        dead_letter_retention,
        dead_letter_limit,
        retain_done,
        retain_done_limit,
        dead_letter_queue,
    };
    Ok((keys::queue_name(key)?, config))
}

fn span(body: &mut Reader<'_>) -> Result<Duration, RecordError> {
    let (seconds, nanos) = (body.u64()?, body.u32()?);
    if nanos >= 1_000_000_000 {
        return Err(RecordError::Invalid { what: "span" });
    }
    Ok(Duration::new(seconds, nanos))
}
