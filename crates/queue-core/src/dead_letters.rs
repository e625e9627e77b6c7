use std::time::Duration;

use crate::{FairnessKey, Kind, MessageId};

/// Which dead letters are meant: those for which everything that is set holds. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only these.
    pub ids: Option<Vec<MessageId>>,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only those whose last error contains this text, upper and lower case told apart.
    pub error_contains: Option<String>,
    /// Only those that died at least this long ago.
    pub older_than: Option<Duration>,
    /// Only those that died less than this long ago.
    pub newer_than: Option<Duration>,
    /// Only this fairness key.
    pub fairness_key: Option<FairnessKey>,
}

impl DeadLetterFilter {
    /// All dead letters.
    pub fn all() -> Self {
        Self::default()
    }

    /// One dead letter.
    pub fn id(id: MessageId) -> Self {
        Self {
            ids: Some(vec![id]),
            ..Self::default()
        }
    }
}

/// What a redrive did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// How many dead letters are ready again.
    pub redriven: u64,
    /// Whether it stopped because the queue was full; the rest are still dead letters.
    pub full: bool,
}
