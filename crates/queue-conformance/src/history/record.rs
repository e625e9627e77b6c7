use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use forebay_queue_core::{
    Certainty, Error, Event, Kind, MessageId, QueueName, Response, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::history::{Answered, Asked, Ended, Handed, Mark, ReadError, Settled, Tag, written};

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place within its log: 1, 2, 3, …
    pub sequence: u64,
    /// When, by the clock of the process that recorded it.
    #[serde(with = "written::time")]
    pub at: Timestamp,
    /// Whose doing it was.
    pub process: u32,
    /// What happened.
    pub fact: Fact,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A call to a queue begins.
    Invoke {
        /// Which: counted for each log, so that the same run gives the same numbers.
        call: u64,
        /// Which queue.
        #[serde(with = "written::name")]
        queue: QueueName,
        /// What is asked.
        asked: Asked,
    },
    /// A call was answered.
    Ok {
        /// Which.
        call: u64,
        /// With what.
        answered: Answered,
    },
    /// A call failed and changed nothing.
    Fail {
        /// Which.
        call: u64,
        /// Why, in a word.
        error: Cow<'static, str>,
    },
    /// A call ended without an answer: it may have taken effect.
    Unknown {
        /// Which.
        call: u64,
        /// Why, in a word.
        error: Cow<'static, str>,
    },
    /// A worker starts a handler.
    Started {
        /// From which queue.
        #[serde(with = "written::name")]
        queue: QueueName,
        /// The message.
        #[serde(with = "written::id")]
        id: MessageId,
        /// Its kind.
        #[serde(with = "written::name")]
        kind: Kind,
        /// The attempt.
        attempt: u32,
        /// The delivery's receipt.
        receipt: Tag,
    },
    /// A worker is through with a delivery.
    Processed {
        /// From which queue.
        #[serde(with = "written::name")]
        queue: QueueName,
        /// The message.
        #[serde(with = "written::id")]
        id: MessageId,
        /// Its kind.
        #[serde(with = "written::name")]
        kind: Kind,
        /// The attempt.
        attempt: u32,
        /// How it ended.
        outcome: Ended,
    },
    /// A worker stops fetching for a while.
    Paused {
        /// From which queue.
        #[serde(with = "written::name")]
        queue: QueueName,
        /// For how long.
        #[serde(with = "written::span")]
        pause: Duration,
    },
    /// A worker fetches again.
    Resumed {
        /// From which queue.
        #[serde(with = "written::name")]
        queue: QueueName,
    },
    /// The test's own.
    Mark(Mark),
}

impl Record {
    /// The record as one line of JSON, without the end of the line. Equal records have equal lines, in every run.
    ///
    /// # Panics
    /// Never: a record is plain data.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a record is plain data with text keys")
    }

    /// A record from its line.
    ///
    /// # Errors
    /// [`ReadError`] when the line is no record.
    pub fn from_line(line: &str) -> Result<Self, ReadError> {
        serde_json::from_str(line).map_err(|source| ReadError::Line { number: 1, source })
    }
}

impl fmt::Display for Record {
    /// The line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_line())
    }
}

impl Fact {
    /// What came of a call; its number is set by [`Fact::of_call`].
    pub(crate) fn of_response(response: &Response<'_>) -> Self {
        let answered = match response {
            Response::Published(outcomes, _) => {
                Answered::Published(outcomes.iter().map(Into::into).collect())
            }
            Response::Delivered(deliveries) => {
                Answered::Delivered(deliveries.iter().map(Handed::from).collect())
            }
            Response::Settled(outcomes) => {
                Answered::Settled(outcomes.iter().map(Settled::from).collect())
            }
            Response::Cancelled(outcome) => Answered::Cancelled((*outcome).into()),
            Response::Redriven(redriven) => Answered::Redriven {
                redriven: redriven.redriven,
                full: redriven.full,
            },
            Response::Done(count) => Answered::Done(*count),
            Response::Failed(error, _) => return Self::of_error(error),
            Response::Dropped => return Self::lost("dropped"),
            _ => return Self::lost("answered in a way that this history does not know"),
        };
        Self::Ok { call: 0, answered }
    }

    fn of_error(error: &Error) -> Self {
        let word = word(error);
        match error.certainty() {
            Certainty::NotDone => Self::Fail {
                call: 0,
                error: word.into(),
            },
            Certainty::Unknown => Self::lost(word),
        }
    }

    fn lost(error: &'static str) -> Self {
        Self::Unknown {
            call: 0,
            error: error.into(),
        }
    }

    /// The same of this call.
    pub(crate) fn of_call(mut self, number: u64) -> Self {
        if let Self::Ok { call, .. } | Self::Fail { call, .. } | Self::Unknown { call, .. } =
            &mut self
        {
            *call = number;
        }
        self
    }

    /// What a worker says of itself.
    pub(crate) fn of_worker(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Started {
                source, delivery, ..
            } => Self::Started {
                queue: source.queue.clone(),
                id: delivery.message.id(),
                kind: delivery.message.kind().clone(),
                attempt: delivery.attempt,
                receipt: (&delivery.receipt).into(),
            },
            Event::Processed {
                source,
                kind,
                id,
                attempt,
                outcome,
                ..
            } => Self::Processed {
                queue: source.queue.clone(),
                id: *id,
                kind: (*kind).clone(),
                attempt: *attempt,
                outcome: Ended::of(*outcome)?,
            },
            Event::Paused { source, pause } => Self::Paused {
                queue: source.queue.clone(),
                pause: *pause,
            },
            Event::Resumed { source } => Self::Resumed {
                queue: source.queue.clone(),
            },
            _ => return None,
        })
    }
}

/// A stable word for an error: its texts are for people and may change.
fn word(error: &Error) -> &'static str {
    match error {
        Error::QueueNotFound { .. } => "queue_not_found",
        Error::Invalid { .. } => "invalid",
        Error::TooLarge { .. } => "too_large",
        Error::Unsupported { .. } => "unsupported",
        Error::Full { .. } => "full",
        Error::Closed { .. } => "closed",
        Error::Unavailable { .. } => "unavailable",
        Error::Interrupted { .. } => "interrupted",
        Error::Contract { .. } => "contract",
        _ => "other",
    }
}
