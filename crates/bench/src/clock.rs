use std::time::Duration;

use tokio::time::Instant;

/// Takes the time of the part of a round that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    processor: Option<Duration>,
}

/// How long the timed part of a round took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// From its start to its end.
    pub wall: Duration,
    /// What this process kept processors busy for meanwhile; `None` where the system does not tell. Other programs of the
    /// machine change it far less than the time from start to end.
    pub processor: Option<Duration>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            processor: processor_time(),
        }
    }

    pub(crate) fn stop(self) -> Took {
        let wall = self.start.elapsed();
        let busy = |before| processor_time()?.checked_sub(before);
        Took {
            wall,
            processor: self.processor.and_then(busy),
        }
    }
}

/// Of all threads of this process, in user and system mode.
#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    Some(Duration::from_micros(u64::try_from(microseconds).ok()?))
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn work_is_busy_time() {
        let clock = Clock::start();
        let mut took = clock.stop();
        let mut sum = 0_u64;
        // Until the system has noticed.
        while took.processor.is_none_or(|busy| busy.is_zero()) {
            sum = (0..10_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
            took = clock.stop();
        }
        assert!(took.wall > Duration::ZERO);
    }
}
