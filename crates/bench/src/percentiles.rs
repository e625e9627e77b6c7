use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::statistics::rounded;

/// How long messages took from publish to handler start, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of them took no longer.
    pub p50_us: f64,
    /// Nine in ten.
    pub p90_us: f64,
    /// 99 in a hundred.
    pub p99_us: f64,
    /// 999 in a thousand.
    pub p999_us: f64,
    /// The slowest.
    pub max_us: f64,
    /// By how much the latest publish began behind its schedule: large where the rate cannot be kept.
    pub behind_us: f64,
}

impl Percentiles {
    /// Of a histogram of nanoseconds.
    pub fn of(nanoseconds: &Histogram<u64>, behind: Duration) -> Self {
        let at = |quantile| {
            let value = Duration::from_nanos(nanoseconds.value_at_quantile(quantile));
            microseconds(value)
        };
        Self {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: microseconds(Duration::from_nanos(nanoseconds.max())),
            behind_us: microseconds(behind),
        }
    }
}

fn microseconds(span: Duration) -> f64 {
    rounded(span.as_secs_f64() * 1e6, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_microseconds_within_three_digits() {
        let mut histogram = Histogram::new(3).unwrap();
        for microsecond in 1..=1_000_u64 {
            histogram.record(microsecond * 1_000).unwrap();
        }
        let percentiles = Percentiles::of(&histogram, Duration::from_millis(2));
        let near = |value: f64, wanted: f64| (value / wanted - 1.0).abs() < 0.002;
        assert!(near(percentiles.p50_us, 500.0), "{percentiles:?}");
        assert!(near(percentiles.p90_us, 900.0), "{percentiles:?}");
        assert!(near(percentiles.p99_us, 990.0), "{percentiles:?}");
        assert!(near(percentiles.p999_us, 999.0), "{percentiles:?}");
        assert!(near(percentiles.max_us, 1_000.0), "{percentiles:?}");
        assert!(near(percentiles.behind_us, 2_000.0), "{percentiles:?}");
    }
}
