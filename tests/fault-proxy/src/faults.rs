use std::time::Duration;

use crate::{Fault, FaultKind};

/// Far enough from where a clock's arithmetic ends.
const LONGEST: Duration = Duration::from_hours(24);

/// What is wrong with one direction at the moment: at most one fault of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) latency: Option<Latency>,
    pub(crate) slices: Option<Slices>,
    pub(crate) reset: Option<Cut>,
    pub(crate) black_hole: bool,
    pub(crate) half_open: Option<Cut>,
    pub(crate) slow_close: Option<Duration>,
    /// Bytes per second.
    pub(crate) bandwidth: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Slices {
    pub(crate) bytes: usize,
    pub(crate) pause: Duration,
}

/// A connection ends after some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) after: u64,
    pub(crate) spread: u64,
    /// Which call set it, so that connections notice that it was set anew.
    pub(crate) setting: u64,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault, setting: u64) {
        match fault {
            Fault::Latency { delay, jitter } => self.latency = Some(Latency { delay, jitter }),
            Fault::Slices { bytes, pause } => self.slices = Some(Slices { bytes, pause }),
            Fault::Reset { after, spread } => self.reset = Some(Cut::new(after, spread, setting)),
            Fault::BlackHole => self.black_hole = true,
            Fault::HalfOpen { after, spread } => {
                self.half_open = Some(Cut::new(after, spread, setting));
            }
            Fault::SlowClose { delay } => self.slow_close = Some(delay),
            Fault::Bandwidth { bytes_per_second } => self.bandwidth = Some(bytes_per_second),
        }
    }

    pub(crate) fn lift(&mut self, kind: FaultKind) {
        match kind {
            FaultKind::Latency => self.latency = None,
            FaultKind::Slices => self.slices = None,
            FaultKind::Reset => self.reset = None,
            FaultKind::BlackHole => self.black_hole = false,
            FaultKind::HalfOpen => self.half_open = None,
            FaultKind::SlowClose => self.slow_close = None,
            FaultKind::Bandwidth => self.bandwidth = None,
        }
    }
}

/// # Panics
///
/// When nothing would ever arrive, which is the black hole's part, and when a length of time is above a day.
pub(crate) fn require_sense(fault: Fault) {
    let longest = match fault {
        Fault::Latency { delay, jitter } => delay.max(jitter),
        Fault::Slices { bytes, pause } => {
            assert!(bytes > 0, "a slice has at least one byte");
            pause
        }
        Fault::SlowClose { delay } => delay,
        Fault::Bandwidth { bytes_per_second } => {
            assert!(bytes_per_second > 0, "a bandwidth is at least one byte");
            Duration::ZERO
        }
        Fault::Reset { .. } | Fault::BlackHole | Fault::HalfOpen { .. } => Duration::ZERO,
    };
    assert!(longest <= LONGEST, "a fault's time is at most a day");
}

impl Cut {
    fn new(after: u64, spread: u64, setting: u64) -> Self {
        Self {
            after,
            spread,
            setting,
        }
    }
}
