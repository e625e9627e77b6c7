use std::time::Duration;

/// Capped exponential back-off with full jitter: try *n* waits a random time between nothing and the smaller of
/// `cap` and `base` · 2^(*n*-1).
///
/// Full jitter spreads many callers that failed together over the whole span, so that they do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// A back-off that grows from `base` to `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The most that try `n` (from 1) waits.
    pub fn ceiling(&self, n: u32) -> Duration {
        let doublings = n.saturating_sub(1).min(127);
        let nanos = self
            .base
            .as_nanos()
            .saturating_mul(1u128.checked_shl(doublings).unwrap_or(u128::MAX))
            .min(self.cap.as_nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How long try `n` (from 1) waits, for a random number in `[0, 1)`.
    pub fn delay(&self, n: u32, unit_random: f64) -> Duration {
        let unit = if unit_random.is_finite() {
            unit_random.clamp(0.0, 1.0)
        } else {
            1.0
        };
        self.ceiling(n).mul_f64(unit).min(self.cap)
    }
}
