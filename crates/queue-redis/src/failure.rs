//! What went wrong on the way to the server or on it.

use std::fmt;

use forebay_queue_core::{Certainty, Error, QueueName};

use crate::NAME;
use crate::endpoint::Endpoint;

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// The same call may succeed later, over the same connection.
    Retry,
    /// The connection is of no use any more; the next call goes over another one.
    Reconnect,
    /// The server has no memory for a write. Settling makes room.
    Full,
    /// It will not succeed until somebody changes the server or the settings.
    Fatal,
    /// The queue is not there although nobody deleted it: make it again.
    Lost,
    /// The queue was deleted.
    Gone,
    /// The stream or its group is not there: mend the queue.
    NoGroup,
    /// The queue is laid out for another version of this backend.
    Layout,
    /// The server does not know the script. [`Link`](crate::link::Link) sends it along by itself.
    NoScript,
}

/// A call that did not succeed. Its text has no credential, no key, no payload and no address in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    certainty: Certainty,
    advice: Advice,
    text: String,
    moved: Option<Endpoint>,
}

impl Failure {
    /// A failure of which it is certain that nothing happened.
    pub(crate) fn not_done(advice: Advice, text: impl Into<String>) -> Self {
        Self::new(Certainty::NotDone, advice, text)
    }

    /// A failure after which the call may have taken effect.
    pub(crate) fn unknown(advice: Advice, text: impl Into<String>) -> Self {
        Self::new(Certainty::Unknown, advice, text)
    }

    pub(crate) fn new(certainty: Certainty, advice: Advice, text: impl Into<String>) -> Self {
        Self {
            certainty,
            advice,
            text: text.into(),
            moved: None,
        }
    }

    /// The same, and the slot is there now.
    pub(crate) fn moved_to(self, moved: Option<Endpoint>) -> Self {
        Self { moved, ..self }
    }

    /// The same, with the script's name where that helps whoever has to mend something.
    pub(crate) fn of_script(mut self, name: Option<&'static str>) -> Self {
        if let (Advice::Fatal, Some(name)) = (self.advice, name) {
            self.text = format!("{name}: {}", self.text);
        }
        self
    }

    /// The same, of a call that changes nothing.
    pub(crate) fn of_look(self) -> Self {
        Self {
            certainty: Certainty::NotDone,
            ..self
        }
    }

    /// Whether the call may have taken effect.
    #[cfg(test)]
    pub(crate) fn certainty(&self) -> Certainty {
        self.certainty
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> Advice {
        self.advice
    }

    /// What happened, for a log line.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where the slot went, if the server said that.
    pub(crate) fn moved(&self) -> Option<&Endpoint> {
        self.moved.as_ref()
    }

    /// As the contract says it to whoever called.
    pub(crate) fn into_error(self, queue: &QueueName) -> Error {
        match self.advice {
            Advice::Full => Error::Full {
                queue: queue.clone(),
                what: "bytes free on the server",
                limit: 0,
            },
            Advice::Gone => Error::Closed {
                queue: queue.clone(),
            },
            _ => self.into_backend_error(),
        }
    }

    /// As [`Failure::into_error`], where no queue is concerned.
    pub(crate) fn into_backend_error(self) -> Error {
        let certainty = self.certainty;
        let source = Some(self.into());
        let backend = NAME;
        match certainty {
            Certainty::NotDone => Error::Unavailable { backend, source },
            Certainty::Unknown => Error::Interrupted { backend, source },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
