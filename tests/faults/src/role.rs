use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How often what can be done may be begun: more often than what it runs beside may end its process.
pub(crate) const WORK_ATTEMPTS: u32 = 20;

/// What a process is to do, as it is told on its command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// Its number in the histories.
    pub(crate) number: u32,
    pub(crate) queue: String,
    /// Where it writes its history.
    pub(crate) history: PathBuf,
    pub(crate) role: Role,
}

/// What a process does. Kinds of messages, and what their handlers do, are in [`crate::process`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Publishes, then ends.
    Publish(Publishing),
    /// Runs a worker until SIGTERM.
    Work(Working),
    /// Receives a message by hand for each line it is given, holds it without extending its lease, and acks it.
    Consume(Consuming),
    /// Publishes and works at once, as a program with an embedded queue does.
    Live(Living),
}

/// Messages to publish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Publishing {
    pub(crate) count: u64,
    pub(crate) kind: String,
    /// How many at once.
    pub(crate) batch: usize,
    /// How long their handler works, in milliseconds; it is in the payload.
    pub(crate) work_ms: u64,
    /// How long to wait between two batches, in milliseconds.
    pub(crate) pause_ms: u64,
    /// With idempotency keys, so that what was interrupted is published again.
    pub(crate) keyed: bool,
    /// Bytes that the payload is filled up with.
    pub(crate) filler: usize,
}

/// How a worker works.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Working {
    pub(crate) concurrency: usize,
    pub(crate) prefetch: usize,
    pub(crate) max_attempts: u32,
    /// How long an attempt may take, in milliseconds.
    pub(crate) timeout_ms: Option<u64>,
    /// How long its shutdown may take, in milliseconds.
    pub(crate) shutdown_ms: u64,
}

/// How one receives by hand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Consuming {
    /// How long a message is held, in milliseconds.
    pub(crate) hold_ms: u64,
}

/// How one publishes and works at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Living {
    /// What each publisher publishes. The process says `accepted` and how many all of them have published so far.
    pub(crate) publishing: Publishing,
    pub(crate) publishers: u32,
    pub(crate) working: Working,
    /// A file on the disk of the queue. Once it cannot be read any more, nothing more is written down: a machine without
    /// power says nothing.
    pub(crate) probe: Option<PathBuf>,
}

impl Publishing {
    /// So many of this kind, in batches of 100, with keys.
    pub(crate) fn of(kind: &str, count: u64) -> Self {
        Self {
            count,
            kind: kind.to_owned(),
            batch: 100,
            work_ms: 0,
            pause_ms: 0,
            keyed: true,
            filler: 0,
        }
    }
}

impl Default for Working {
    fn default() -> Self {
        Self {
            concurrency: 8,
            prefetch: 8,
            max_attempts: WORK_ATTEMPTS,
            timeout_ms: None,
            shutdown_ms: 10_000,
        }
    }
}
