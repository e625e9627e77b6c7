//! Publishes an accepted message, and repeats what may have been lost.

use std::time::Duration;

use forebay::core::{Certainty, Error};
use forebay::{Backoff, Connection, MessageId, NewMessage, PublishOutcome};

/// How often a publish with an unknown outcome is repeated.
const REPEATS: u32 = 3;
/// Between two of them.
const PAUSE: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(200));
/// How long the backend may take to answer beyond the time that a publish may wait for room. What takes longer has
/// an unknown outcome.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The seconds after which a refused client is asked to come again.
pub(super) const RETRY_AFTER: u32 = 1;

/// Why a message was not accepted.
#[derive(Debug)]
pub(super) enum NotPublished {
    /// There is no room. It was certainly not accepted.
    Full,
    /// The message itself is refused.
    Refused(Error),
    /// It was certainly not accepted.
    Unavailable,
    /// It may have been accepted.
    Unknown,
}

/// Publishes a message under this id. It has to have an idempotency key; it is made anew for each try, and the same
/// each time.
///
/// A duplicate with the message's own id is an earlier try of this call, so it counts as accepted.
pub(super) async fn publish(
    queue: &Connection,
    own: MessageId,
    message: impl Fn(MessageId) -> Result<NewMessage, Error>,
) -> Result<PublishOutcome, NotPublished> {
    let mut unknown = false;
    for repeat in 0..=REPEATS {
        if repeat > 0 {
            let unit = queue.environment().random().unit();
            tokio::time::sleep(PAUSE.delay(repeat, unit)).await;
        }
        let message = message(own).map_err(NotPublished::Refused)?;
        match once(queue, message).await {
            Some(Ok(outcome)) if outcome.id() == own => return Ok(PublishOutcome::Accepted(own)),
            Some(Ok(outcome)) => return Ok(outcome),
            // After a try that may have worked, a refusal of the next tells nothing about it.
            Some(Err(error)) if error.certainty() == Certainty::NotDone && !unknown => {
                return Err(not_published(error));
            }
            Some(Err(error)) => {
                unknown = true;
                tracing::warn!(%error, repeat, "the outcome of a publish is unknown");
            }
            None => {
                unknown = true;
                tracing::warn!(repeat, "a publish was not answered in time");
            }
        }
    }
    Err(NotPublished::Unknown)
}

/// One try; `None` when it takes too long.
async fn once(queue: &Connection, message: NewMessage) -> Option<Result<PublishOutcome, Error>> {
    let patience = queue.publish_wait();
    let publish = queue.queue().publish(vec![message], patience);
    let outcomes = tokio::time::timeout(patience + ANSWER_LIMIT, publish).await;
    let first = |outcomes: Vec<PublishOutcome>| {
        outcomes.into_iter().next().ok_or(Error::Contract {
            problem: "a publish of one message was answered with no outcome",
        })
    };
    Some(outcomes.ok()?.and_then(first))
}

fn not_published(error: Error) -> NotPublished {
    match error {
        Error::Full { .. } => NotPublished::Full,
        Error::Invalid { .. } | Error::TooLarge { .. } => NotPublished::Refused(error),
        error => {
            tracing::warn!(%error, "the queue cannot take messages");
            NotPublished::Unavailable
        }
    }
}
