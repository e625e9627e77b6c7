use crate::{Capability, Durability, QueueName};

/// A foreign error, kept as a source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What can go wrong with a queue.
///
/// Every text says what happened and what to do next; none contains a payload, a credential or a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No queue of that name.
    #[error("there is no queue {queue}; create it first")]
    QueueNotFound {
        /// Which.
        queue: QueueName,
    },
    /// Created twice.
    #[error("the queue {queue} exists already; open it instead")]
    QueueAlreadyExists {
        /// Which.
        queue: QueueName,
    },
    /// An opener asked for another configuration than the queue has.
    #[error(
        "the queue {queue} has another {field} than asked for; open it with its own or update it"
    )]
    ConfigMismatch {
        /// Which queue.
        queue: QueueName,
        /// The first field that differs.
        field: &'static str,
    },
    /// A configuration out of bounds.
    #[error("{field}: {problem}; allowed: {allowed}")]
    InvalidConfig {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A value that breaks its rule.
    #[error("{what}: {problem}; allowed: {allowed}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A setting from outside that cannot be used.
    #[error("{name}={value}: allowed: {allowed}")]
    InvalidSetting {
        /// The variable's name.
        name: String,
        /// Its value, or a note that it is withheld.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// More than fits, and never will fit.
    #[error("{what}: {size} is over the limit of {limit}; send less at once")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How much there was.
        size: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The backend cannot do that.
    #[error(
        "the backend {backend} does not support {capability}; leave it out or choose another backend"
    )]
    Unsupported {
        /// Which backend.
        backend: &'static str,
        /// What was asked for.
        capability: Capability,
    },
    /// No room, for as long as the caller was willing to wait. Nothing was published.
    #[error("the queue {queue} is full ({limit} {what}); try again later")]
    Full {
        /// Which queue.
        queue: QueueName,
        /// What ran out: messages or idempotency keys.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The session was closed, or its queue deleted.
    #[error("the session with queue {queue} is closed; open it again")]
    Closed {
        /// Which queue.
        queue: QueueName,
    },
    /// The store cannot be reached. Certainly nothing happened.
    #[error("the backend {backend} is unavailable; try again")]
    Unavailable {
        /// Which backend.
        backend: &'static str,
        /// Why, where it is known.
        #[source]
        source: Option<BoxError>,
    },
    /// The answer was lost: it may have happened. Only a publish with an idempotency key may be repeated.
    #[error(
        "the backend {backend} did not answer; it may have happened, so repeat only with an idempotency key"
    )]
    Interrupted {
        /// Which backend.
        backend: &'static str,
        /// Why, where it is known.
        #[source]
        source: Option<BoxError>,
    },
    /// The demanded durability is not what the backend gives here.
    #[error(
        "the backend {backend} does not give durability {demand}: found {found}; change its settings or demand less"
    )]
    DurabilityNotMet {
        /// Which backend.
        backend: &'static str,
        /// The level demanded.
        demand: Durability,
        /// What was found.
        found: String,
    },
    /// No such backend.
    #[error("{name:?} is no backend; allowed: {known}")]
    UnknownBackend {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A backend that exists, but not in this build.
    #[error("the backend {name} is not part of this build; add the feature {feature:?}")]
    BackendNotBuilt {
        /// The name asked for.
        name: String,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// A backend broke the contract. This is a bug in it.
    #[error("the backend broke its contract: {problem}; please report it")]
    Contract {
        /// What it did.
        problem: &'static str,
    },
}

/// Whether a failed call has changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// Certainly not.
    NotDone,
    /// It may have.
    Unknown,
}

impl Error {
    /// Whether the same call can succeed later without a change.
    ///
    /// For [`Error::Interrupted`] that is so, but a publish may be repeated only with an idempotency key.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::Unavailable { .. } | Self::Interrupted { .. }
        )
    }

    /// Whether the call may have taken effect although it failed.
    pub const fn certainty(&self) -> Certainty {
        match self {
            Self::Interrupted { .. } | Self::Contract { .. } => Certainty::Unknown,
            _ => Certainty::NotDone,
        }
    }

    /// Whether the queue had no room.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether the session or the queue is gone.
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_told_apart_from_what_did_not() {
        let unavailable = Error::Unavailable {
            backend: "memory",
            source: None,
        };
        let interrupted = Error::Interrupted {
            backend: "memory",
            source: None,
        };
        assert!(unavailable.is_retryable() && interrupted.is_retryable());
        assert_eq!(unavailable.certainty(), Certainty::NotDone);
        assert_eq!(interrupted.certainty(), Certainty::Unknown);
        let closed = Error::Closed {
            queue: QueueName::from_static("q"),
        };
        assert!(closed.is_closed() && !closed.is_retryable());
    }
}
