use std::fmt;
use std::time::Duration;

use crate::{FairnessKey, Kind, MessageId};

/// Which dead letters are meant: those for which everything that is set holds. The default is all of them.
#[derive(Clone, Default, PartialEq, Eq)]
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

impl fmt::Debug for DeadLetterFilter {
    /// Prints the length of the error text only: it is part of what an application said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterFilter")
            .field("ids", &self.ids)
            .field("kind", &self.kind)
            .field(
                "error_contains_bytes",
                &self.error_contains.as_ref().map(String::len),
            )
            .field("older_than", &self.older_than)
            .field("newer_than", &self.newer_than)
            .field("fairness_key", &self.fairness_key)
            .finish()
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
