use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{ErrorRecord, Message, State, StoredMessage, Timestamp};

use crate::change::{self, Live};
use crate::lanes::DEFAULT_LANE;
use crate::ring::Member;

/// The number of a place in the slab. Reused; a fencing token tells its tenants apart.
pub(crate) type Slot = u32;

/// No slot.
pub(crate) const NIL: Slot = Slot::MAX;

/// One live message: scheduled, ready or leased.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) message: Arc<Message>,
    /// Order of acceptance.
    pub(crate) sequence: u64,
    pub(crate) place: Place,
    /// While leased, the fencing token of the delivery.
    pub(crate) token: u64,
    /// While leased, how long the lease was given for.
    pub(crate) lease_length: Duration,
    /// Attempts begun and not refunded.
    pub(crate) attempt: u32,
    /// Its fairness key.
    pub(crate) lane: Member,
    /// While ready, what it waits for.
    pub(crate) wait: Wait,
    /// Neighbours in the lists that the entry is in; see [`List`](crate::list::List).
    pub(crate) links: [Links; 2],
    /// What few messages have.
    pub(crate) history: Option<Box<History>>,
}

/// Where a live message is, and the time that matters there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Due at.
    Scheduled(Timestamp),
    /// Ready since.
    Ready(Timestamp),
    /// Leased until.
    Leased(Timestamp),
}

/// What a ready message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The turn of its fairness key.
    Turn,
    /// The same, with its tokens reserved.
    Granted,
    /// A token of this bucket.
    Token(Member),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub(crate) previous: Slot,
    pub(crate) next: Slot,
}

impl Links {
    pub(crate) const NONE: Self = Self {
        previous: NIL,
        next: NIL,
    };
}

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) errors: Vec<ErrorRecord>,
    /// When it was last brought back from the dead letters.
    pub(crate) redriven_at: Option<Timestamp>,
}

impl Entry {
    pub(crate) fn new(message: Arc<Message>, sequence: u64) -> Self {
        Self {
            place: Place::Ready(message.published_at()),
            message,
            sequence,
            token: 0,
            lease_length: Duration::ZERO,
            attempt: 0,
            lane: DEFAULT_LANE,
            wait: Wait::Turn,
            links: [Links::NONE; 2],
            history: None,
        }
    }

    /// From when on it may no longer be handed out. A redrive lifts it.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        match &self.history {
            Some(history) if history.redriven_at.is_some() => None,
            _ => self.message.expires_at(),
        }
    }

    /// The latest of published, `deliver_at` and redriven.
    pub(crate) fn age_from(&self) -> Timestamp {
        let published = self.message.published_at();
        let due = self.message.deliver_at().unwrap_or(published);
        let redriven = self.history.as_ref().and_then(|h| h.redriven_at);
        published.max(due).max(redriven.unwrap_or(published))
    }

    /// What is to be known about it besides a lease.
    pub(crate) fn live(&self, place: change::Place) -> Live {
        Live {
            message: Arc::clone(&self.message),
            sequence: self.sequence,
            attempt: self.attempt,
            place,
            errors: self.errors(),
            redriven_at: self.history.as_ref().and_then(|h| h.redriven_at),
        }
    }

    pub(crate) fn errors(&self) -> Vec<ErrorRecord> {
        self.history
            .as_ref()
            .map_or_else(Vec::new, |h| h.errors.clone())
    }

    /// Adds to the history; the oldest record goes when there are too many.
    pub(crate) fn failed(&mut self, now: Timestamp, cause: &str) {
        let record = ErrorRecord::new(self.attempt, now, cause);
        let errors = &mut self.history.get_or_insert_default().errors;
        if errors.len() == ErrorRecord::MAX_COUNT {
            errors.remove(0);
        }
        errors.push(record);
    }

    pub(crate) fn state(&self) -> State {
        match self.place {
            Place::Scheduled(_) => State::Scheduled,
            Place::Ready(_) => State::Ready,
            Place::Leased(_) => State::Leased,
        }
    }

    pub(crate) fn view(&self) -> StoredMessage {
        let (due_at, leased_until) = match self.place {
            Place::Scheduled(at) => (Some(at), None),
            Place::Ready(_) => (None, None),
            Place::Leased(until) => (None, Some(until)),
        };
        StoredMessage {
            message: Arc::clone(&self.message),
            state: self.state(),
            attempt: self.attempt,
            due_at,
            leased_until,
            ended_at: None,
            errors: self.errors(),
        }
    }
}
