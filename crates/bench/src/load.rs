use std::hint::black_box;
use std::time::Duration;

use tokio::time::Instant;

use crate::job::{Job, Jobs};
use crate::latencies::Latencies;
use crate::tally::Tally;

/// What every round of a run carries, and what is counted of it.
///
/// Tasks share it as a `&'static`: a reference count that every message touches would be part of what is measured.
#[derive(Debug)]
pub struct Load {
    /// How many messages.
    pub messages: u32,
    /// The bytes of each payload.
    pub payload: usize,
    /// How many messages a batch has.
    pub batch: usize,
    /// How many callers and handlers there are.
    pub concurrency: usize,
    /// How many messages forebay's worker fetches ahead of those that run; `None` is its default.
    pub prefetch: Option<usize>,
    /// How many messages per second are published in the steady mode.
    pub rate: Option<u32>,
    /// Who makes the messages.
    pub jobs: Jobs,
    /// Who counts them.
    pub tally: Tally,
    /// Who takes their times, in the steady mode.
    pub latencies: Option<Latencies>,
}

impl Load {
    /// Puts a load into memory for the rest of the process: a run needs one.
    pub fn leak(self) -> &'static Self {
        Box::leak(Box::new(self))
    }

    /// Before a round: nothing has come.
    pub fn reset(&self) {
        self.tally.reset();
        if let Some(latencies) = &self.latencies {
            latencies.reset();
        }
    }

    /// The handler: what is done with each job, the same on both sides.
    pub fn handle(&self, job: &Job) {
        if let Some(latencies) = &self.latencies {
            latencies.starts(job.number);
        }
        // Every field was decoded for something.
        black_box(job);
        self.tally.count(job.number);
    }

    /// The numbers that one of the callers publishes.
    pub fn share(&self, caller: usize) -> impl Iterator<Item = u32> + Send + use<> {
        let first = u32::try_from(caller).unwrap_or(u32::MAX);
        (first..self.messages).step_by(self.concurrency)
    }

    /// When a message is to be published, in the steady mode.
    pub fn due(&self, number: u32, start: Instant) -> Instant {
        let rate = f64::from(self.rate.unwrap_or(u32::MAX));
        start + Duration::from_secs_f64(f64::from(number) / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(messages: u32, concurrency: usize, rate: Option<u32>) -> Load {
        Load {
            messages,
            payload: 128,
            batch: 1,
            concurrency,
            prefetch: None,
            rate,
            jobs: Jobs::new(128),
            tally: Tally::new(messages),
            latencies: None,
        }
    }

    #[test]
    fn each_message_is_in_one_share() {
        for (messages, concurrency) in [(1, 64), (64, 64), (1_000, 64), (1_000, 7), (5, 1)] {
            let load = load(messages, concurrency, None);
            let mut numbers: Vec<_> = (0..concurrency).flat_map(|i| load.share(i)).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..messages).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn messages_are_due_at_the_rate() {
        let load = load(10_000, 64, Some(1_000));
        let start = Instant::now();
        assert_eq!(load.due(0, start), start);
        assert_eq!(load.due(2_500, start) - start, Duration::from_millis(2_500));
    }
}
