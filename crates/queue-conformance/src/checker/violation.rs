use std::fmt;

use forebay_queue_core::MessageId;

/// What must hold of every run, whatever was done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// I1: nothing accepted is lost.
    Kept,
    /// I2: nothing delivered was never published, or is altered.
    Unaltered,
    /// I3: every duplicate has a cause, and stays under kills × (concurrency + prefetch) + unknown acks.
    Explained,
    /// I4: a stale receipt never succeeds, and a live one is not refused.
    Fenced,
    /// I5: nothing is delivered after its confirmed end.
    Over,
    /// I6: attempts grow, and a message is a dead letter exactly once, at the maximum.
    Attempts,
    /// I7: never early.
    NotEarly,
    /// I8: one message for each idempotency key and window.
    OnePerKey,
    /// I9: the counts add up at rest.
    AddsUp,
    /// I10: a shutdown is inside its limit.
    Shutdown,
    /// I11: after the last fault the backlog drains.
    Drains,
    /// I12: memory is bounded.
    Memory,
    /// I13: readiness tells the truth.
    Ready,
    /// A planned fault fires.
    Faults,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Kept,
        Self::Unaltered,
        Self::Explained,
        Self::Fenced,
        Self::Over,
        Self::Attempts,
        Self::NotEarly,
        Self::OnePerKey,
        Self::AddsUp,
        Self::Shutdown,
        Self::Drains,
        Self::Memory,
        Self::Ready,
        Self::Faults,
    ];

    /// The number, and what it says.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "I1 nothing accepted is lost",
            Self::Unaltered => "I2 nothing delivered was never published or is altered",
            Self::Explained => "I3 every duplicate has a cause",
            Self::Fenced => "I4 a stale receipt never succeeds",
            Self::Over => "I5 nothing is delivered after its confirmed end",
            Self::Attempts => "I6 attempts grow, dead letter once at the maximum",
            Self::NotEarly => "I7 never early",
            Self::OnePerKey => "I8 one message per idempotency key and window",
            Self::AddsUp => "I9 counts add up at rest",
            Self::Shutdown => "I10 shutdown inside its limit",
            Self::Drains => "I11 the backlog drains after the last fault",
            Self::Memory => "I12 memory bounded",
            Self::Ready => "I13 readiness tells the truth",
            Self::Faults => "a planned fault fires",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One way in which a run broke an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The messages it is about; none where it is about the run.
    pub ids: Vec<MessageId>,
    /// What happened.
    pub text: String,
    /// The lines of the history that prove it. Of a batch only the items in question are shown.
    pub evidence: Vec<String>,
    /// Lines that belong to it, counted from 0; those of its messages are found by their ids.
    pub(crate) lines: Vec<u32>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)?;
        for line in &self.evidence {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
