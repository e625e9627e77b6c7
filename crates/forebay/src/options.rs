use std::time::Duration;

use forebay_queue_core::{Durability, Error, QueueConfig, Settings};

/// What the variables of [`VARIABLES`](crate::VARIABLES) say about one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// The backend's name.
    pub backend: String,
    /// The durability demanded.
    pub durability: Option<Durability>,
    /// How long a publish waits while the queue is full.
    pub publish_wait: Duration,
    /// The queue's configuration.
    pub config: QueueConfig,
}

impl QueueOptions {
    /// Reads the options; what is not set has its default.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for the first wrong value: variable, value and what is allowed on one line.
    pub fn from_settings(settings: &Settings) -> Result<Self, Error> {
        const ZERO: Duration = Duration::ZERO;
        const HOUR: Duration = Duration::from_hours(1);
        const YEAR: Duration = Duration::from_hours(365 * 24);
        let mut config = QueueConfig::default();
        if let Some(capacity) = settings.number("QUEUE_CAPACITY", 1, 1_usize << 31)? {
            config.capacity = capacity;
        }
        let lease = settings.duration("QUEUE_LEASE", Duration::from_millis(10), 12 * HOUR)?;
        config.lease = lease.unwrap_or(config.lease);
        let window = settings.duration("IDEMPOTENCY_WINDOW", ZERO, YEAR)?;
        config.idempotency_window = window.unwrap_or(config.idempotency_window);
        let retention = settings.duration("DLQ_RETENTION", ZERO, 10 * YEAR)?;
        config.dead_letter_retention = retention.unwrap_or(config.dead_letter_retention);
        let levels = "memory, buffered, fsynced or replicated:n with n from 1 to 9";
        let publish_wait = settings.duration("QUEUE_PUBLISH_WAIT", ZERO, HOUR)?;
        Ok(Self {
            backend: settings.get("QUEUE_BACKEND").unwrap_or("memory").to_owned(),
            durability: settings.parse("QUEUE_DURABILITY", levels)?,
            publish_wait: publish_wait.unwrap_or(Duration::from_millis(100)),
            config,
        })
    }
}
