use std::time::Duration;

use forebay_queue_core::{MessageId, QueueName, Stats};
use serde::{Deserialize, Serialize};

use crate::history::written;

/// What only the test knows: what it planned, what it did, and what it measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A fault is planned. One that never fires fails the run; planned twice under one name it has to fire twice.
    FaultPlanned {
        /// Its name.
        fault: String,
    },
    /// A fault took place.
    FaultFired {
        /// Its name.
        fault: String,
    },
    /// The last fault is over: from here on the backlog has to drain.
    Healed,
    /// Nothing is scheduled, ready or leased any more.
    Drained,
    /// A process was ended without a word. Its calls under way are unknown, its deliveries come back.
    Killed {
        /// Which.
        process: u32,
    },
    /// A process or the store was stopped, by its own will or by the test's.
    Stopped {
        /// Which.
        party: Party,
    },
    /// A process or the store runs again. What the store forgot by it, the rules say.
    Restarted {
        /// Which.
        party: Party,
    },
    /// The store lost everything it held, and was meant to.
    Wiped,
    /// The lease of a queue, at the start and after each change.
    Lease {
        /// Which queue.
        #[serde(with = "written::name")]
        queue: QueueName,
        /// How long.
        #[serde(with = "written::span")]
        lease: Duration,
    },
    /// A process was asked to end.
    ShutdownBegan {
        /// Which.
        process: u32,
        /// How long it may take.
        #[serde(with = "written::span")]
        limit: Duration,
    },
    /// A process that was asked to end has ended.
    ShutdownEnded {
        /// Which.
        process: u32,
        /// How long it took.
        #[serde(with = "written::span")]
        took: Duration,
        /// How long it might take.
        #[serde(with = "written::span")]
        limit: Duration,
    },
    /// How much memory a process holds.
    Memory {
        /// Which.
        process: u32,
        /// Bytes resident.
        bytes: u64,
    },
    /// What a process says of its readiness, and what is true.
    Readiness {
        /// Which.
        process: u32,
        /// What it says.
        says: bool,
        /// What is so.
        truth: bool,
    },
    /// A queue at rest, when nothing runs any more: the last word on it.
    Rest {
        /// Which queue.
        #[serde(with = "written::name")]
        queue: QueueName,
        /// Its counts.
        stats: RestStats,
        /// All its dead letters.
        #[serde(with = "written::ids")]
        dead: Vec<MessageId>,
        /// All that is scheduled, ready or leased, where the test has listed it.
        #[serde(
            with = "written::some_ids",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        live: Option<Vec<MessageId>>,
    },
    /// Something for the reader.
    Note {
        /// What.
        text: String,
    },
}

/// Who stops and starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A process, by its number.
    Process(u32),
    /// The store.
    Store,
}

/// The counts of a queue at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestStats {
    /// Not due yet.
    pub scheduled: u64,
    /// Waiting to be received.
    pub ready: u64,
    /// Handed out.
    pub leased: u64,
    /// Ended and still kept.
    pub done: u64,
    /// Dead letters.
    pub dead: u64,
    /// Dead letters dropped because there were too many.
    pub dead_dropped: u64,
    /// Idempotency keys remembered.
    pub idempotency_keys: u64,
}

impl Mark {
    /// A queue at rest; what is live was not listed.
    pub fn rest(queue: &QueueName, stats: &Stats, dead: Vec<MessageId>) -> Self {
        Self::Rest {
            queue: queue.clone(),
            stats: stats.into(),
            dead,
            live: None,
        }
    }
}

impl RestStats {
    /// Scheduled, ready and leased.
    pub const fn live(&self) -> u64 {
        self.scheduled + self.ready + self.leased
    }
}

impl From<&Stats> for RestStats {
    fn from(stats: &Stats) -> Self {
        Self {
            scheduled: stats.scheduled,
            ready: stats.ready,
            leased: stats.leased,
            done: stats.done,
            dead: stats.dead,
            dead_dropped: stats.dead_dropped,
            idempotency_keys: stats.idempotency_keys,
        }
    }
}
