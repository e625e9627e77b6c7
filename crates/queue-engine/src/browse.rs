use std::collections::BinaryHeap;

use forebay_queue_core::{
    Cursor, Error, MessageId, Page, PageRequest, State, Stats, StoredMessage, Timestamp,
};

use crate::engine::Engine;
use crate::entry::Place;

impl Engine {
    /// Counts by state and the oldest age.
    pub fn stats(&mut self, now: Timestamp) -> Stats {
        self.settle_time(now);
        let oldest = self.ready.oldest().map(|slot| self.entry(slot).place);
        Stats {
            scheduled: self.scheduled.len() as u64,
            ready: self.ready.len() as u64,
            leased: self.leases.len() as u64,
            done: self.done.len() as u64,
            dead: self.dead.len() as u64,
            dead_dropped: self.dead_dropped,
            idempotency_keys: self.keys.len() as u64,
            capacity: self.config.capacity as u64,
            oldest_age: match oldest {
                Some(Place::Ready(since)) => Some(self.now.since(since)),
                _ => None,
            },
            paused: self.paused,
        }
    }

    /// One message by id, wherever it is.
    pub fn get(&mut self, now: Timestamp, id: MessageId) -> Option<StoredMessage> {
        self.settle_time(now);
        if let Some(slot) = self.index.find(&self.entries, id) {
            return Some(self.entry(slot).view());
        }
        let dead = self.dead.number(id).and_then(|n| self.dead.get(n));
        let ended = dead.or_else(|| self.done.number(id).and_then(|n| self.done.get(n)));
        ended.map(crate::archive::Ended::view)
    }

    /// The messages that would be received next.
    pub fn peek(&mut self, now: Timestamp, limit: usize) -> Vec<StoredMessage> {
        self.settle_time(now);
        let slots = self.ready.preview(&self.entries, limit);
        slots
            .into_iter()
            .map(|slot| self.entry(slot).view())
            .collect()
    }

    /// The messages in one state, in order of acceptance; ended ones in the order in which they ended.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another listing.
    pub fn list(
        &mut self,
        now: Timestamp,
        state: State,
        page: &PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        self.settle_time(now);
        let after = read_cursor(state, page.after.as_ref())?;
        let limit = page.limit;
        let count = limit.saturating_add(1);
        let mut items = match state {
            State::Scheduled | State::Ready | State::Leased => self.live_after(state, after, count),
            State::Dead => {
                let view = |(number, ended): (u64, &crate::archive::Ended)| (number, ended.view());
                self.dead.after(after).take(count).map(view).collect()
            }
            _ => {
                let of_state = self
                    .done
                    .after(after)
                    .filter(|(_, ended)| ended.state == state);
                of_state.take(count).map(|(n, e)| (n, e.view())).collect()
            }
        };
        Ok(cut(state, &mut items, limit))
    }

    /// The first `count` live messages of a state whose order of acceptance is after `after`.
    fn live_after(&self, state: State, after: u64, count: usize) -> Vec<(u64, StoredMessage)> {
        let mut first = BinaryHeap::new();
        for (slot, entry) in &self.entries {
            if entry.state() == state && entry.sequence > after {
                first.push((entry.sequence, slot));
                if first.len() > count {
                    first.pop();
                }
            }
        }
        let view = |(sequence, slot): (u64, usize)| (sequence, self.entries[slot].view());
        first.into_sorted_vec().into_iter().map(view).collect()
    }
}

/// Cuts what was found to a page. One more than the limit was looked for, to know whether there is a next page.
pub(crate) fn cut(
    state: State,
    items: &mut Vec<(u64, StoredMessage)>,
    limit: usize,
) -> Page<StoredMessage> {
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().map(|(number, _)| *number);
    Page {
        next: last.filter(|_| more).map(|number| cursor(state, number)),
        items: items.drain(..).map(|(_, view)| view).collect(),
    }
}

/// One byte for the state, eight for the last number of the page before, big-endian.
fn cursor(state: State, number: u64) -> Cursor {
    let mut bytes = vec![tag(state)];
    bytes.extend_from_slice(&number.to_be_bytes());
    Cursor::from_bytes(bytes)
}

fn tag(state: State) -> u8 {
    let place = State::ALL.iter().position(|s| *s == state);
    place.and_then(|p| u8::try_from(p).ok()).unwrap_or(u8::MAX)
}

pub(crate) fn read_cursor(state: State, cursor: Option<&Cursor>) -> Result<u64, Error> {
    let Some(cursor) = cursor else {
        return Ok(0);
    };
    let number = match cursor.as_bytes().split_first() {
        Some((first, rest)) if *first == tag(state) => <[u8; 8]>::try_from(rest).ok(),
        _ => None,
    };
    number.map(u64::from_be_bytes).ok_or_else(foreign_cursor)
}

pub(crate) fn foreign_cursor() -> Error {
    Error::Invalid {
        what: "cursor",
        problem: "it does not belong to this listing".to_owned(),
        allowed: "the cursor of the page before, unchanged",
    }
}
