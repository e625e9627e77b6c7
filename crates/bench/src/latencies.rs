use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::percentiles::Percentiles;

/// When each message of a round was published and when its handler started.
///
/// Every message has places of its own, so that taking the time is no meeting point; the histogram is made afterwards.
#[derive(Debug)]
pub struct Latencies {
    origin: Instant,
    /// Nanoseconds after the origin, by number; 0 is not yet.
    published: Box<[AtomicU64]>,
    started: Box<[AtomicU64]>,
    /// The most nanoseconds by which a publish began later than its schedule said.
    behind: AtomicU64,
}

impl Latencies {
    /// For messages numbered from 0.
    pub fn new(messages: u32) -> Self {
        let places = || (0..messages).map(|_| AtomicU64::default()).collect();
        Self {
            origin: Instant::now(),
            published: places(),
            started: places(),
            behind: AtomicU64::default(),
        }
    }

    /// Forgets everything.
    pub fn reset(&self) {
        for place in self.published.iter().chain(&self.started) {
            place.store(0, Ordering::Relaxed);
        }
        self.behind.store(0, Ordering::Relaxed);
    }

    /// Its publish begins, this long after it was due.
    pub fn publishes(&self, number: u32, behind: Duration) {
        self.published[number as usize].store(self.now(), Ordering::Relaxed);
        self.behind.fetch_max(nanos(behind), Ordering::Relaxed);
    }

    /// Its handler starts. Only the first start of each message counts.
    pub fn starts(&self, number: u32) {
        if let Some(started) = self.started.get(number as usize) {
            let now = self.now();
            // A repeat answers with what is there, and changes nothing.
            let _ = started.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// What has been measured, from publish to handler start.
    pub fn percentiles(&self) -> Percentiles {
        let mut histogram = histogram();
        for (published, started) in self.published.iter().zip(&self.started) {
            let started = started.load(Ordering::Relaxed);
            if started > 0 {
                let latency = started.saturating_sub(published.load(Ordering::Relaxed));
                histogram.saturating_record(latency);
            }
        }
        let behind = self.behind.load(Ordering::Relaxed);
        Percentiles::of(&histogram, Duration::from_nanos(behind))
    }

    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
}

/// Three digits, from a nanosecond to an hour; what is above counts as an hour.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HOUR, 3).expect("the bounds are in order")
}

/// In nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_counts_and_a_reset_forgets() {
        let latencies = Latencies::new(2);
        latencies.publishes(0, Duration::from_micros(7));
        latencies.starts(0);
        let first = latencies.percentiles();
        std::thread::yield_now();
        latencies.starts(0);
        // A number that nobody published.
        latencies.starts(2);
        assert_eq!(latencies.percentiles(), first);
        assert!((first.behind_us - 7.0).abs() < f64::EPSILON, "{first:?}");
        latencies.reset();
        assert_eq!(latencies.percentiles(), Percentiles::default());
    }

    #[test]
    fn latency_is_from_publish_to_start() {
        let latencies = Latencies::new(1);
        latencies.published[0].store(1_000, Ordering::Relaxed);
        latencies.started[0].store(5_001_000, Ordering::Relaxed);
        let percentiles = latencies.percentiles();
        assert!(
            (percentiles.p50_us / 5_000.0 - 1.0).abs() < 0.002,
            "{percentiles:?}"
        );
        assert!(
            (percentiles.max_us / 5_000.0 - 1.0).abs() < 0.002,
            "{percentiles:?}"
        );
    }
}
