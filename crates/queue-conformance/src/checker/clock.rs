use std::time::Duration;

/// Nanoseconds of a span, for arithmetic with times.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// A line of the history: its number, its time, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) at: u64,
    pub(crate) line: u32,
    pub(crate) process: u32,
}

impl Point {
    /// After everything: where a call ends that was never answered.
    pub(crate) const END: Self = Self {
        at: u64::MAX,
        line: u32::MAX,
        process: u32::MAX,
    };
}

/// A call, from its beginning to its answer: it took effect somewhere between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Point,
    pub(crate) to: Point,
}

/// How certain it is that a call took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It was confirmed.
    Done,
    /// There was no answer.
    Unknown,
    /// It was answered that it did not: the lease was lost.
    Refused,
}

impl Effect {
    /// Whether it may have taken effect.
    pub(crate) fn possible(self) -> bool {
        self != Self::Refused
    }
}

/// What can be said about order and time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub(crate) skew: u64,
}

impl Clocks {
    /// Whether one line certainly stands for something earlier than the other.
    pub(crate) fn before(self, a: Point, b: Point) -> bool {
        if self.skew == 0 || a.process == b.process {
            a.line < b.line
        } else {
            self.earlier(a.at, b.at)
        }
    }

    /// Whether one time of one clock is certainly earlier than another of another.
    pub(crate) fn earlier(self, a: u64, b: u64) -> bool {
        a.saturating_add(self.skew) < b
    }
}
