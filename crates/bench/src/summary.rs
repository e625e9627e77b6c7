use serde::Serialize;

use crate::mode::Mode;
use crate::round::Round;
use crate::statistics::{median, ratio, rounded};

/// All rounds of a run: the last line of the output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Always `forebay`: what is compared with the baseline.
    pub summary: &'static str,
    /// The baseline's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<&'static str>,
    /// The backend's name.
    pub backend: String,
    /// What was measured.
    pub mode: Mode,
    /// What is on the disk when a call is answered, on a backend that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<String>,
    /// Rounds that counted.
    pub rounds: u32,
    /// Messages of a round.
    pub messages: u32,
    /// Cores that everything shares.
    pub cores: usize,
    /// Messages per second, the median of the rounds.
    pub per_sec: f64,
    /// The baseline's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_per_sec: Option<f64>,
    /// The first over the second: 1 is as fast as the bare store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Processor time per message over the baseline's: here less is better, and other programs of the machine disturb it
    /// least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ratio: Option<f64>,
    /// Median latency over the baseline's, in the steady mode: here less is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ratio: Option<f64>,
    /// The same of the latency that 99 in a hundred keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ratio: Option<f64>,
    /// Messages that never came, in all rounds of both, the warm-up too.
    pub lost: u64,
    /// Duplicates in all rounds of both, the warm-up too.
    pub duplicates: u64,
}

impl Summary {
    /// Of all rounds, in any order. `None` without a round of forebay that counts.
    pub fn of(rounds: &[Round]) -> Option<Self> {
        let counted = |is_ours: bool| {
            let of_side =
                move |round: &&Round| round.round > 0 && (round.subject == OURS) == is_ours;
            rounds.iter().filter(of_side)
        };
        let first = counted(true).next()?;
        let rates = |is_ours| counted(is_ours).map(|round| round.per_sec);
        let p50 = |is_ours| counted(is_ours).filter_map(|round| Some(round.latency?.p50_us));
        let p99 = |is_ours| counted(is_ours).filter_map(|round| Some(round.latency?.p99_us));
        let cpu = |is_ours| counted(is_ours).filter_map(|round| round.cpu_us);
        let short = |value| rounded(value, 3);
        Some(Self {
            summary: OURS,
            baseline: counted(false).next().map(|round| round.subject),
            backend: first.backend.clone(),
            mode: first.mode,
            sync: first.sync.clone(),
            rounds: counted(true).map(|round| round.round).max()?,
            messages: first.messages,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            per_sec: median(rates(true))?,
            baseline_per_sec: median(rates(false)),
            ratio: ratio(rates(true), rates(false)).map(short),
            cpu_ratio: ratio(cpu(true), cpu(false)).map(short),
            p50_ratio: ratio(p50(true), p50(false)).map(short),
            p99_ratio: ratio(p99(true), p99(false)).map(short),
            lost: rounds.iter().map(|round| u64::from(round.lost)).sum(),
            duplicates: rounds.iter().map(|round| round.duplicates).sum(),
        })
    }

    /// Whether every message came: a run that lost one has failed, however fast it was.
    pub const fn is_complete(&self) -> bool {
        self.lost == 0
    }
}

const OURS: &str = "forebay";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::tests::round;

    #[test]
    fn the_warm_up_counts_for_losses_only() {
        let mut warm_up = round("forebay", 0, 1.0);
        warm_up.lost = 2;
        warm_up.duplicates = 3;
        assert_eq!(Summary::of(std::slice::from_ref(&warm_up)), None);
        let mut rounds = vec![warm_up];
        for (number, ours, theirs) in [(1, 10.0, 40.0), (2, 20.0, 50.0), (3, 90.0, 90.0)] {
            rounds.push(round("forebay", number, ours));
            rounds.push(round("bare-store", number, theirs));
        }
        let summary = Summary::of(&rounds).unwrap();
        assert_eq!((summary.rounds, summary.baseline), (3, Some("bare-store")));
        assert!((summary.per_sec - 20.0).abs() < f64::EPSILON);
        assert_eq!((summary.ratio, summary.cpu_ratio), (Some(0.4), Some(2.5)));
        assert_eq!((summary.lost, summary.duplicates), (2, 3));
        assert!(!summary.is_complete());
    }

    #[test]
    fn without_a_baseline_there_is_no_ratio() {
        let summary = Summary::of(&[round("forebay", 1, 10.0)]).unwrap();
        assert_eq!((summary.baseline, summary.ratio), (None, None));
        assert!(summary.is_complete());
    }
}
