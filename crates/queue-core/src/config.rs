use std::time::Duration;

use crate::{Error, QueueName};

/// How one queue behaves. Every backend keeps it with the queue and gives the same meaning to each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// How long a delivery is its holder's own (elsewhere: visibility timeout). 10 ms to 12 h, default 30 s.
    pub lease: Duration,
    /// The most messages scheduled, ready and leased together. 1 to 2^31, default 10,000.
    pub capacity: usize,
    /// How long an idempotency key is remembered. Up to 365 days, default 24 h.
    pub idempotency_window: Duration,
    /// The most idempotency keys remembered at once; then keyed publishes are `Full`. Default 10 million, at about
    /// 150 bytes each when in use.
    pub idempotency_limit: usize,
    /// How long a dead letter is kept. Default 30 days.
    pub dead_letter_retention: Duration,
    /// The most dead letters kept; over it the oldest go. Default 100,000.
    pub dead_letter_limit: usize,
    /// How long a message that has ended (acked, cancelled, expired) can still be looked at. Default zero: not at all.
    pub retain_done: Duration,
    /// The most such messages kept; over it the oldest go. Default 100,000.
    pub retain_done_limit: usize,
    /// Another queue that takes the dead letters, where the backend can do that. Default: the queue keeps its own.
    pub dead_letter_queue: Option<QueueName>,
}

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(24 * 365);

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            capacity: 10_000,
            idempotency_window: DAY,
            idempotency_limit: 10_000_000,
            dead_letter_retention: 30 * DAY,
            dead_letter_limit: 100_000,
            retain_done: Duration::ZERO,
            retain_done_limit: 100_000,
            dead_letter_queue: None,
        }
    }
}

impl QueueConfig {
    /// Whether every field is within its bounds.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] naming the first field that is not, and what is allowed.
    pub fn validate(&self) -> Result<(), Error> {
        let span = |field, value: Duration, least: Duration, most: Duration, allowed| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::InvalidConfig {
                field,
                problem: format!("{} is out of range", humantime::format_duration(value)),
                allowed,
            })
        };
        let count = |field, value: usize| {
            if (1..=1 << 31).contains(&value) {
                return Ok(());
            }
            Err(Error::InvalidConfig {
                field,
                problem: format!("{value} is out of range"),
                allowed: "1 to 2147483648",
            })
        };
        let zero = Duration::ZERO;
        span(
            "lease",
            self.lease,
            Duration::from_millis(10),
            12 * HOUR,
            "10ms to 12h",
        )?;
        span(
            "idempotency_window",
            self.idempotency_window,
            zero,
            YEAR,
            "0s to 365days",
        )?;
        span(
            "dead_letter_retention",
            self.dead_letter_retention,
            zero,
            10 * YEAR,
            "0s to 3650days",
        )?;
        span("retain_done", self.retain_done, zero, YEAR, "0s to 365days")?;
        count("capacity", self.capacity)?;
        count("idempotency_limit", self.idempotency_limit)?;
        count("dead_letter_limit", self.dead_letter_limit)?;
        count("retain_done_limit", self.retain_done_limit)
    }

    /// Whether an opener that asks for `asked` gets what is there.
    ///
    /// # Errors
    /// [`Error::ConfigMismatch`] naming the first field that differs.
    pub fn matches(&self, queue: &QueueName, asked: &Self) -> Result<(), Error> {
        let fields = [
            ("lease", self.lease == asked.lease),
            ("capacity", self.capacity == asked.capacity),
            (
                "idempotency_window",
                self.idempotency_window == asked.idempotency_window,
            ),
            (
                "idempotency_limit",
                self.idempotency_limit == asked.idempotency_limit,
            ),
            (
                "dead_letter_retention",
                self.dead_letter_retention == asked.dead_letter_retention,
            ),
            (
                "dead_letter_limit",
                self.dead_letter_limit == asked.dead_letter_limit,
            ),
            ("retain_done", self.retain_done == asked.retain_done),
            (
                "retain_done_limit",
                self.retain_done_limit == asked.retain_done_limit,
            ),
            (
                "dead_letter_queue",
                self.dead_letter_queue == asked.dead_letter_queue,
            ),
        ];
        match fields.into_iter().find(|(_, same)| !same) {
            None => Ok(()),
            Some((field, _)) => Err(Error::ConfigMismatch {
                queue: queue.clone(),
                field,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_bad_fields_are_named() {
        QueueConfig::default().validate().unwrap();
        let bad = QueueConfig {
            lease: Duration::ZERO,
            ..QueueConfig::default()
        };
        let text = bad.validate().unwrap_err().to_string();
        assert!(
            text.contains("lease") && text.contains("10ms to 12h"),
            "{text}"
        );
        let bad = QueueConfig {
            capacity: 0,
            ..QueueConfig::default()
        };
        assert!(bad.validate().unwrap_err().to_string().contains("capacity"));
    }

    #[test]
    fn a_mismatch_names_the_field() {
        let name = QueueName::from_static("q");
        let here = QueueConfig::default();
        here.matches(&name, &here.clone()).unwrap();
        let asked = QueueConfig {
            retain_done: DAY,
            ..here.clone()
        };
        let text = here.matches(&name, &asked).unwrap_err().to_string();
        assert!(text.contains("retain_done"), "{text}");
    }
}
