//! What the server says before a read.

use redis::Value;

use crate::failure::{Advice, Failure};

/// What the server says before a read. Times and spans are microseconds, by its clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    pub(crate) now: u64,
    pub(crate) lease: u64,
    /// When there will be something to do.
    pub(crate) next: u64,
    /// Entries that had been handed out and are no more.
    pub(crate) lost: u64,
    /// Dead letters that had to go.
    pub(crate) dropped: u64,
    pub(crate) epoch: u32,
}

impl Gate {
    /// Reads the answer of the gate script.
    pub(crate) fn read(value: Value) -> Result<Self, Failure> {
        let Value::Array(items) = value else {
            return Err(unreadable());
        };
        let number = |value: &Value| match value {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        let numbers: Option<Vec<u64>> = items.iter().map(number).collect();
        match numbers.as_deref() {
            Some(&[now, lease, next, lost, dropped, epoch]) => Ok(Self {
                now,
                lease,
                next,
                lost,
                dropped,
                epoch: u32::try_from(epoch).unwrap_or_default(),
            }),
            _ => Err(unreadable()),
        }
    }
}

/// Script and reader are of one build, so this is a bug.
pub(crate) fn unreadable() -> Failure {
    Failure::unknown(
        Advice::Reconnect,
        "a script answered in another form than it is read in",
    )
}
