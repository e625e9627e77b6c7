use serde::{Deserialize, Serialize};

/// How a round of a subject ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    /// Every message came.
    Done,
    /// Some messages never came.
    Lost,
    /// All came, some of them more than once.
    Doubled,
    /// It was not done in time; the messages that had not come by then count as lost.
    TimedOut,
    /// It stopped with an error.
    Failed,
    /// It was not tried again, after it had timed out or failed twice in this mode.
    Skipped,
}

/// What one round of one subject has shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// How it ended; only rates and latencies of rounds that are done count.
    pub(crate) ending: Ending,
    /// How long the timed part took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    /// Messages per second of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_sec: Option<f64>,
    /// Microseconds of this process's processor time per message, all cores together. Other programs of the machine disturb it
    /// far less than the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_cpu_us: Option<f64>,
    /// The same of Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cpu_us: Option<f64>,
    /// From publish to handler start, in the latency mode: half of the messages took no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_us: Option<f64>,
    /// The same of 99 in a hundred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_us: Option<f64>,
    /// Messages that never came.
    pub(crate) lost: u32,
    /// How often a message came that had come before.
    pub(crate) duplicates: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Outcome {
    /// A round that has nothing to show.
    pub(crate) fn without_figures(ending: Ending, lost: u32, error: Option<String>) -> Self {
        Self {
            ending,
            seconds: None,
            per_sec: None,
            client_cpu_us: None,
            server_cpu_us: None,
            p50_us: None,
            p99_us: None,
            lost,
            duplicates: 0,
            error,
        }
    }
}
