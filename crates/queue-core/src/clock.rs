use std::fmt;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::Timestamp;

/// Where the time comes from. In-process stores read it; a test or a simulation brings its own.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now. Must not run backwards.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, read once and then carried on by the monotonic one.
///
/// A step of the wall clock after the start changes nothing, so a lease never ends early because an
/// administrator set the date. It counts on tokio's clock: a paused runtime pauses it too.
#[derive(Debug, Clone)]
pub struct SystemClock {
    wall: Timestamp,
    start: Instant,
}

impl SystemClock {
    /// A clock anchored to the wall clock now.
    pub fn new() -> Self {
        Self {
            wall: SystemTime::now().into(),
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.wall.after(self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_the_paused_clock_of_the_runtime() {
        let clock = SystemClock::new();
        let before = clock.now();
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(clock.now().since(before), Duration::from_hours(1));
    }
}
