use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use forebay_queue_core::BoxError;

use crate::RetryPolicy;

/// Why a handler did not finish, and what is to become of the message.
///
/// Every error turns into one by `?` and then means: a failed attempt, tried again by the [`RetryPolicy`]. The
/// constructors say otherwise. The error's text, and those of its sources, go into the message's history: they
/// must not contain what is secret.
///
/// ```
/// use std::time::Duration;
/// use forebay_worker::Failure;
///
/// fn charge(answer: u16) -> Result<(), Failure> {
///     match answer {
///         200 => Ok(()),
///         400 => Err(Failure::reject("the card number is wrong")),
///         429 => Err(Failure::retry_after("asked to slow down", Duration::from_mins(1))),
///         503 => Err(Failure::unavailable("the bank is down")),
///         _ => Err("an odd answer")?,
///     }
/// }
/// # assert!(charge(200).is_ok() && charge(500).is_err());
/// ```
pub struct Failure {
    pub(crate) verdict: FailureVerdict,
}

pub(crate) enum FailureVerdict {
    Retry {
        error: BoxError,
        after: Option<Duration>,
        policy: Option<RetryPolicy>,
    },
    Reject {
        reason: BoxError,
    },
    Snooze {
        after: Duration,
    },
    Unavailable {
        error: BoxError,
        policy: Option<RetryPolicy>,
    },
}

impl Failure {
    /// A failed attempt, tried again by policy: what `?` makes.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self::from(error)
    }

    /// A failed attempt, tried again after exactly this long, unless attempts or age have run out.
    pub fn retry_after(error: impl Into<BoxError>, after: Duration) -> Self {
        FailureVerdict::Retry {
            error: error.into(),
            after: Some(after),
            policy: None,
        }
        .into_failure()
    }

    /// It can never be done: to the dead letters at once.
    pub fn reject(reason: impl Into<BoxError>) -> Self {
        FailureVerdict::Reject {
            reason: reason.into(),
        }
        .into_failure()
    }

    /// Not now: again after this long, as if this attempt had not been.
    ///
    /// A handler that snoozes for ever is run for ever: neither attempts nor age end it.
    pub fn snooze(after: Duration) -> Self {
        FailureVerdict::Snooze { after }.into_failure()
    }

    /// Something that the handler depends on is down.
    ///
    /// The message is given back without spending an attempt, and the worker stops fetching from this queue for
    /// a while; then one message tries whether it works again. Only age ends such a message.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        FailureVerdict::Unavailable {
            error: error.into(),
            policy: None,
        }
        .into_failure()
    }

    /// Decides about this failure by another policy than the handler's. Means nothing for a reject or a snooze.
    #[must_use]
    pub fn with_policy(mut self, new: RetryPolicy) -> Self {
        if let FailureVerdict::Retry { policy, .. } | FailureVerdict::Unavailable { policy, .. } =
            &mut self.verdict
        {
            *policy = Some(new);
        }
        self
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        match error.into().downcast::<FailureError>() {
            Ok(failure) => failure.0,
            Err(error) => FailureVerdict::Retry {
                error,
                after: None,
                policy: None,
            }
            .into_failure(),
        }
    }
}

impl FailureVerdict {
    fn into_failure(self) -> Failure {
        Failure { verdict: self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            FailureVerdict::Retry { error, .. } | FailureVerdict::Unavailable { error, .. } => {
                error.fmt(f)
            }
            FailureVerdict::Reject { reason } => reason.fmt(f),
            FailureVerdict::Snooze { .. } => f.write_str("snoozed"),
        }
    }
}

impl fmt::Debug for Failure {
    /// Names the sort only: the text comes from an application.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.verdict {
            FailureVerdict::Retry { .. } => "Failure(retry)",
            FailureVerdict::Reject { .. } => "Failure(reject)",
            FailureVerdict::Snooze { .. } => "Failure(snooze)",
            FailureVerdict::Unavailable { .. } => "Failure(unavailable)",
        })
    }
}

/// A [`Failure`] on its way through layers: an error as any other, so that a layer can look at it and pass it on.
///
/// A layer that makes errors of its own may return anything; that is a failed attempt, tried again by policy.
pub struct FailureError(pub(crate) Failure);

impl From<Failure> for FailureError {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl StdError for FailureError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.verdict {
            FailureVerdict::Retry { error, .. }
            | FailureVerdict::Unavailable { error, .. }
            | FailureVerdict::Reject { reason: error } => error.source(),
            FailureVerdict::Snooze { .. } => None,
        }
    }
}

impl fmt::Display for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An error with all its sources, joined by `": "`.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
