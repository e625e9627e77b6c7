use serde::Serialize;

use crate::mode::Mode;
use crate::percentiles::Percentiles;

/// What one round of one subject has shown: a line of the output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Round {
    /// `forebay` or `bare-…`.
    pub subject: &'static str,
    /// The backend's name.
    pub backend: String,
    /// What was measured.
    pub mode: Mode,
    /// From 1; the one that warms up has none.
    pub round: u32,
    /// Messages of the round.
    pub messages: u32,
    /// Bytes of each payload.
    pub payload: usize,
    /// Messages in a batch.
    pub batch: usize,
    /// Callers and handlers.
    pub concurrency: usize,
    /// Messages per second that were to be published, in the steady mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// What is on the disk when a call is answered, on a backend that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<String>,
    /// How long the timed part took.
    pub seconds: f64,
    /// Messages per second of it.
    pub per_sec: f64,
    /// Microseconds of processor time per message, all cores together, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<f64>,
    /// Messages that never came.
    pub lost: u32,
    /// How often a message came that had come before.
    pub duplicates: u64,
    /// Latencies, in the steady mode.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A round of a thousand messages, none of them lost.
    pub(crate) fn round(subject: &'static str, round: u32, per_sec: f64) -> Round {
        Round {
            subject,
            backend: "memory".to_owned(),
            mode: Mode::Drain,
            round,
            messages: 1_000,
            payload: 256,
            batch: 64,
            concurrency: 64,
            rate: None,
            sync: None,
            seconds: 1_000.0 / per_sec,
            per_sec,
            cpu_us: Some(1e6 / per_sec),
            lost: 0,
            duplicates: 0,
            latency: None,
        }
    }
}
