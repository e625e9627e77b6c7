use std::time::Duration;

use forebay_queue_core::BoxError;

use crate::failure::{Failure, FailureError, FailureVerdict};

/// How a handler ended, where it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The work is done: the message is acked.
    Done,
    /// Not now: the message comes back after this long, as if this attempt had not been.
    Snooze {
        /// How long.
        after: Duration,
    },
}

/// What a handler may return: `()`, `Result<(), Failure>`, [`Outcome`] or `Result<Outcome, Failure>`.
pub trait IntoOutcome {
    /// What it means.
    ///
    /// # Errors
    /// A [`FailureError`] when the handler failed.
    fn into_outcome(self) -> Result<Outcome, BoxError>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<Outcome, BoxError> {
        Ok(Outcome::Done)
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Result<Outcome, BoxError> {
        Ok(self)
    }
}

impl<T: IntoOutcome> IntoOutcome for Result<T, Failure> {
    fn into_outcome(self) -> Result<Outcome, BoxError> {
        match self {
            Ok(value) => value.into_outcome(),
            Err(Failure {
                verdict: FailureVerdict::Snooze { after },
            }) => Ok(Outcome::Snooze { after }),
            Err(failure) => Err(Box::new(FailureError(failure))),
        }
    }
}
