use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use forebay_queue_core::{Message, MessageId, State, StoredMessage, Timestamp};
use hashbrown::HashMap;

use crate::change::{Change, Journal, Over};
use crate::entry::{Entry, History};

/// A message that has ended and is still kept.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) message: Arc<Message>,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    /// When it ended.
    pub(crate) at: Timestamp,
    pub(crate) history: Option<Box<History>>,
}

impl Ended {
    pub(crate) fn new(entry: Entry, state: State, now: Timestamp) -> Self {
        Self {
            message: entry.message,
            state,
            attempt: entry.attempt,
            at: now,
            history: entry.history,
        }
    }

    /// What has to be kept of it.
    pub(crate) fn over(&self) -> Over {
        let history = self.history.as_deref();
        Over {
            message: Arc::clone(&self.message),
            state: self.state,
            attempt: self.attempt,
            at: self.at,
            errors: history.map_or_else(Vec::new, |h| h.errors.clone()),
            redriven_at: history.and_then(|h| h.redriven_at),
        }
    }

    fn forgotten(self, number: u64) -> Change {
        Change::Forgotten {
            number,
            state: self.state,
            message: self.message,
        }
    }

    pub(crate) fn last_error(&self) -> &str {
        let errors = self.history.as_ref().map(|h| &h.errors);
        errors
            .and_then(|e| e.last())
            .map_or("", |record| &record.error)
    }

    pub(crate) fn view(&self) -> StoredMessage {
        StoredMessage {
            message: Arc::clone(&self.message),
            state: self.state,
            attempt: self.attempt,
            due_at: None,
            leased_until: None,
            ended_at: Some(self.at),
            errors: self
                .history
                .as_ref()
                .map_or_else(Vec::new, |h| h.errors.clone()),
        }
    }
}

/// Ended messages in the order in which they ended: the dead letters, and those kept for `retain_done`.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    by_end: BTreeMap<u64, Ended>,
    by_id: HashMap<MessageId, u64, FixedState>,
    next: u64,
}

impl Archive {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            by_end: BTreeMap::new(),
            by_id: HashMap::with_hasher(FixedState::with_seed(seed)),
            next: 1,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_end.len()
    }

    pub(crate) fn contains(&self, id: MessageId) -> bool {
        !self.by_id.is_empty() && self.by_id.contains_key(&id)
    }

    pub(crate) fn number(&self, id: MessageId) -> Option<u64> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Ended> {
        self.by_end.get(&number)
    }

    /// Those that ended after number `after`, with their numbers.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = (u64, &Ended)> {
        self.by_end
            .range(after.saturating_add(1)..)
            .map(|(n, e)| (*n, e))
    }

    /// Adds one; answers how many had to go because there were more than `limit`.
    pub(crate) fn push(&mut self, ended: Ended, limit: usize, journal: &mut Journal) -> usize {
        let number = self.next;
        journal.note(|| Change::Ended {
            number,
            over: ended.over(),
        });
        self.restore(number, ended);
        self.shrink(limit, journal)
    }

    /// Adds one that had this number already.
    pub(crate) fn restore(&mut self, number: u64, ended: Ended) {
        self.by_id.insert(ended.message.id(), number);
        self.by_end.insert(number, ended);
        self.next = self.next.max(number + 1);
    }

    /// Lets the oldest go that are over `limit`; answers how many.
    pub(crate) fn shrink(&mut self, limit: usize, journal: &mut Journal) -> usize {
        let mut dropped = 0;
        while self.by_end.len() > limit && self.pop_first(journal) {
            dropped += 1;
        }
        dropped
    }

    /// Takes one out and writes down that it is gone.
    pub(crate) fn delete(&mut self, number: u64, journal: &mut Journal) -> bool {
        let Some(ended) = self.remove(number) else {
            return false;
        };
        journal.note(|| ended.forgotten(number));
        true
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Ended> {
        let ended = self.by_end.remove(&number)?;
        self.by_id.remove(&ended.message.id());
        Some(ended)
    }

    /// Forgets those whose retention has ended, at most `budget`. Answers whether it got through.
    pub(crate) fn expire(
        &mut self,
        now: Timestamp,
        retention: Duration,
        budget: usize,
        journal: &mut Journal,
    ) -> bool {
        for _ in 0..budget {
            match self.by_end.first_key_value() {
                Some((_, ended)) if ended.at.after(retention) <= now => self.pop_first(journal),
                _ => return true,
            };
        }
        false
    }

    fn pop_first(&mut self, journal: &mut Journal) -> bool {
        let first = self.by_end.first_key_value().map(|(number, _)| *number);
        first.is_some_and(|number| self.delete(number, journal))
    }
}
