use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Message, Nack, NackAction, Queue, Receipt, SettleOutcome, Timestamp};

/// One failed attempt, as a message's history keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorRecord {
    /// Which attempt failed.
    pub attempt: u32,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// The cause as given with the nack, cut to [`ErrorRecord::MAX_TEXT`] bytes.
    pub error: Box<str>,
}

impl ErrorRecord {
    /// The most bytes that are kept of one error text.
    pub const MAX_TEXT: usize = 1024;
    /// The most records that are kept of one message: the latest.
    pub const MAX_COUNT: usize = 32;

    /// A record; the text is cut between characters where it is too long.
    pub fn new(attempt: u32, at: Timestamp, error: &str) -> Self {
        let end = error.floor_char_boundary(Self::MAX_TEXT);
        Self {
            attempt,
            at,
            error: error[..end].into(),
        }
    }
}

impl fmt::Debug for ErrorRecord {
    /// Prints the length of the text only: it comes from an application.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorRecord")
            .field("attempt", &self.attempt)
            .field("at", &self.at)
            .field("error_bytes", &self.error.len())
            .finish()
    }
}

/// A message handed out under a lease.
///
/// Settling consumes it: each of [`ack`](Self::ack), [`retry`](Self::retry), [`release`](Self::release) and
/// [`dead_letter`](Self::dead_letter) is for one delivery, and takes the session it came from. Dropping it settles
/// nothing: the lease runs out and the message comes back, one attempt older. The verbs of [`Queue`] take many receipts
/// in one call.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub message: Arc<Message>,
    /// 1 on the first delivery; counts deliveries that were not released.
    pub attempt: u32,
    /// What settles this delivery.
    pub receipt: Receipt,
    /// How long the lease lasts, from the hand-out.
    pub lease: Duration,
    /// The latest of published, `deliver_at` and redriven: the age of a message counts from here.
    pub age_from: Timestamp,
    /// When it was handed out, by the store's clock.
    pub delivered_at: Timestamp,
    /// Earlier failures, oldest first.
    pub errors: Vec<ErrorRecord>,
}

impl Delivery {
    /// Done with it: the message is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Interrupted`]: keep the lease alive and try again with [`Queue::ack`].
    pub async fn ack(self, queue: &dyn Queue) -> Result<SettleOutcome, Error> {
        first(&queue.ack(std::slice::from_ref(&self.receipt)).await?)
    }

    /// It failed: again after `after`, one attempt older.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn retry(
        self,
        queue: &dyn Queue,
        after: Duration,
        cause: &str,
    ) -> Result<SettleOutcome, Error> {
        self.nack(queue, NackAction::Retry { after }, Some(cause))
            .await
    }

    /// Give it back after `after` with the attempt it had.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn release(self, queue: &dyn Queue, after: Duration) -> Result<SettleOutcome, Error> {
        self.nack(queue, NackAction::Release { after }, None).await
    }

    /// It cannot be done: to the dead letters.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn dead_letter(self, queue: &dyn Queue, cause: &str) -> Result<SettleOutcome, Error> {
        self.nack(queue, NackAction::DeadLetter, Some(cause)).await
    }

    /// The lease lasts from now.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn extend(&self, queue: &dyn Queue) -> Result<SettleOutcome, Error> {
        first(&queue.extend(std::slice::from_ref(&self.receipt)).await?)
    }

    async fn nack(
        self,
        queue: &dyn Queue,
        action: NackAction,
        cause: Option<&str>,
    ) -> Result<SettleOutcome, Error> {
        let nack = Nack {
            receipt: self.receipt,
            action,
            cause: cause.map(Into::into),
        };
        first(&queue.nack(vec![nack]).await?)
    }
}

/// A batch of one answers with one.
fn first(outcomes: &[SettleOutcome]) -> Result<SettleOutcome, Error> {
    outcomes.first().copied().ok_or(Error::Contract {
        problem: "a batch of one receipt was answered with no outcome",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_errors_are_cut_between_characters() {
        let text = "ä".repeat(1_000);
        let record = ErrorRecord::new(1, Timestamp::ZERO, &text);
        assert_eq!(record.error.len(), ErrorRecord::MAX_TEXT);
        assert!(!format!("{record:?}").contains('ä'));
    }
}
