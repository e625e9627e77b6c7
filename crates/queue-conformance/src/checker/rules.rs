use std::collections::BTreeMap;
use std::time::Duration;

use forebay_queue_core::{Kind, QueueName};

/// What a run promised: the numbers that the invariants are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Handlers that one process runs at once. Default 8.
    pub concurrency: u32,
    /// Deliveries that one process holds beyond those. Default 8.
    pub prefetch: u32,
    /// The most attempts of a message. Default: not judged.
    pub max_attempts: Attempts,
    /// Whether a message may also die of age, before its attempts have run out. Default no.
    pub max_age: bool,
    /// The queue's lease, where no record says another one. Default 30 s.
    pub lease: Duration,
    /// How long an idempotency key is remembered. Default 24 h.
    pub window: Duration,
    /// How long after it was due a message may be handed to a receiver that was waiting. Default: not judged.
    pub lateness: Option<Duration>,
    /// How long, beyond a lease, the backlog may take to drain after the last fault. Default 30 s.
    pub drain: Duration,
    /// How far over its limit a shutdown may be. Default 1 s.
    pub shutdown_slack: Duration,
    /// How long readiness may say something untrue. Default 5 s.
    pub readiness: Duration,
    /// The most bytes a process may hold. Default: not judged.
    pub memory: Option<u64>,
    /// How far the clocks of processes and store may be apart. Zero, the default, is for one history of one clock;
    /// then the order of the records is the order of what happened.
    pub skew: Duration,
    /// Whether the store can refuse an old receipt while a new one is out. Default yes.
    pub fencing: bool,
    /// Whether a restart of the store loses everything, as the memory backend's does. Default no.
    pub restart_loses: bool,
    /// How long dead letters are kept. Default 30 days.
    pub dead_letter_retention: Duration,
    /// Another queue that takes the dead letters, with the ids they had. Default none.
    pub dead_letter_queue: Option<QueueName>,
}

/// The most attempts, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// For every kind that is not named; `None` is not judged.
    pub default: Option<u32>,
    /// For these kinds.
    pub by_kind: BTreeMap<Kind, u32>,
}

impl Attempts {
    /// The same for all kinds.
    pub fn all(most: u32) -> Self {
        Self {
            default: Some(most),
            by_kind: BTreeMap::new(),
        }
    }

    /// For one kind.
    pub fn of(&self, kind: &Kind) -> Option<u32> {
        self.by_kind.get(kind).copied().or(self.default)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            concurrency: 8,
            prefetch: 8,
            max_attempts: Attempts::default(),
            max_age: false,
            lease: Duration::from_secs(30),
            window: Duration::from_hours(24),
            lateness: None,
            drain: Duration::from_secs(30),
            shutdown_slack: Duration::from_secs(1),
            readiness: Duration::from_secs(5),
            memory: None,
            skew: Duration::ZERO,
            fencing: true,
            restart_loses: false,
            dead_letter_retention: Duration::from_hours(24 * 30),
            dead_letter_queue: None,
        }
    }
}
