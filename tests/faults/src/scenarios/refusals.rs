//! What refusals were like.

use std::time::Duration;

#[derive(Default)]
pub(crate) struct Refusals {
    /// Refused for the reason that was to be given.
    pub(crate) clean: u64,
    pub(crate) taken: u64,
    /// How long each took.
    pub(crate) times: Vec<Duration>,
}

impl Refusals {
    /// 99 of 100 were quicker.
    pub(crate) fn usual(&mut self) -> Duration {
        self.times.sort_unstable();
        let place = self.times.len() * 99 / 100;
        self.times.get(place).copied().unwrap_or_default()
    }

    /// How long the slowest took: on a machine with other work it is the machine's.
    pub(crate) fn slowest(&self) -> Duration {
        self.times.iter().max().copied().unwrap_or_default()
    }
}
