//! A queue's configuration as the server keeps it.

use std::time::Duration;

use forebay_queue_core::QueueConfig;

use crate::entry::micros;

/// The fields of the meta hash that hold the configuration, in the order in which scripts take and answer them.
/// Spans are in microseconds. A dead-letter queue of another name is not among them: the backend declares none.
pub(crate) const FIELDS: usize = 8;

/// The server counts in microseconds: what was asked for in between is kept as the next one, so that nothing lasts
/// shorter than was said.
pub(crate) fn rounded(config: &QueueConfig) -> QueueConfig {
    let whole = |span: Duration| Duration::from_micros(micros(span));
    QueueConfig {
        lease: whole(config.lease),
        idempotency_window: whole(config.idempotency_window),
        dead_letter_retention: whole(config.dead_letter_retention),
        retain_done: whole(config.retain_done),
        ..config.clone()
    }
}

/// The configuration as arguments of a script.
pub(crate) fn arguments(config: &QueueConfig) -> [String; FIELDS] {
    [
        micros(config.lease),
        config.capacity as u64,
        micros(config.idempotency_window),
        config.idempotency_limit as u64,
        micros(config.dead_letter_retention),
        config.dead_letter_limit as u64,
        micros(config.retain_done),
        config.retain_done_limit as u64,
    ]
    .map(|number| number.to_string())
}

/// The configuration from what a script answers; `None` when the numbers are none that a queue was made with.
pub(crate) fn from_fields(fields: &[u64]) -> Option<QueueConfig> {
    let &[
        lease,
        capacity,
        window,
        keys,
        dead_for,
        dead,
        done_for,
        done,
    ] = fields
    else {
        return None;
    };
    let count = |number| usize::try_from(number).ok();
    Some(QueueConfig {
        lease: Duration::from_micros(lease),
        capacity: count(capacity)?,
        idempotency_window: Duration::from_micros(window),
        idempotency_limit: count(keys)?,
        dead_letter_retention: Duration::from_micros(dead_for),
        dead_letter_limit: count(dead)?,
        retain_done: Duration::from_micros(done_for),
        retain_done_limit: count(done)?,
        dead_letter_queue: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unusual() -> QueueConfig {
        QueueConfig {
            lease: Duration::from_nanos(12_345_678_001),
            capacity: 1 << 31,
            idempotency_window: Duration::from_hours(365 * 24),
            idempotency_limit: 2,
            dead_letter_retention: Duration::from_hours(3650 * 24),
            dead_letter_limit: 3,
            retain_done: Duration::from_nanos(1),
            retain_done_limit: 4,
            dead_letter_queue: None,
        }
    }

    #[test]
    fn a_configuration_comes_back_as_it_was_up_to_the_microsecond() {
        let config = unusual();
        let fields = arguments(&config).map(|field| field.parse::<u64>().unwrap());
        let read = from_fields(&fields).unwrap();
        assert_eq!(read, rounded(&config));
        assert_eq!(read.lease, Duration::from_micros(12_345_679), "never less");
        assert_eq!(read.retain_done, Duration::from_micros(1), "not turned off");
        assert_eq!(rounded(&read), read);
    }

    #[test]
    fn other_answers_are_no_configuration() {
        assert_eq!(from_fields(&[]), None);
        assert_eq!(from_fields(&[1; FIELDS + 1]), None);
    }
}
