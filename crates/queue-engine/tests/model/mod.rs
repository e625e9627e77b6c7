//! The semantics once more, as naively as possible: one list of messages, searched from end to end. Written from the
//! specification, not from the engine, so that the two can be compared.

use forebay_queue_core::{CancelOutcome, SettleOutcome, State, Stats};

/// Seconds.
pub(crate) type Time = u64;

pub(crate) const LEASE: Time = 5;
pub(crate) const CAPACITY: usize = 6;
pub(crate) const WINDOW: Time = 20;
pub(crate) const KEY_LIMIT: usize = 5;
pub(crate) const DEAD_LIMIT: usize = 2;
pub(crate) const DEAD_RETENTION: Time = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Scheduled {
        due: Time,
    },
    Ready {
        since: Time,
        place: u64,
    },
    Leased {
        until: Time,
        place: u64,
        delivery: usize,
    },
    Dead {
        at: Time,
        place: u64,
    },
    Ended {
        state: State,
        at: Time,
    },
    Gone,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) key: Option<u8>,
    pub(crate) print: Option<u8>,
    pub(crate) accepted: u64,
    pub(crate) age_from: Time,
    pub(crate) expires: Option<Time>,
    pub(crate) attempt: u32,
    pub(crate) errors: usize,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) key: Option<u8>,
    pub(crate) print: Option<u8>,
    pub(crate) delay: Option<Time>,
    pub(crate) live_for: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Accepted(u64),
    Duplicate(u64, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    TooLarge,
    Full,
    KeysFull,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Ack,
    Extend,
    Retry(Time),
    Release(Time),
    Dead,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: Time,
    pub(crate) items: Vec<Item>,
    /// Key, id, fingerprint, end of the window.
    keys: Vec<(u8, u64, Option<u8>, Time)>,
    pub(crate) paused: bool,
    retain: Time,
    counter: u64,
    deliveries: usize,
    dropped: u64,
}

impl Model {
    /// An empty queue that keeps what has ended for so long.
    pub(crate) fn keeping(retain: Time) -> Self {
        Self {
            retain,
            ..Self::default()
        }
    }

    /// The queue comes back over what it had kept: of what became ready at one time, or is leased until one time, the order
    /// of acceptance is left.
    pub(crate) fn restart(&mut self) {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        let key = |item: &Item| match item.place {
            Place::Ready { since, .. } => (since, item.accepted),
            Place::Leased { until, .. } => (until, item.accepted),
            _ => (0, 0),
        };
        order.sort_by_key(|index| key(&self.items[*index]));
        for index in order {
            let next = self.count();
            match &mut self.items[index].place {
                Place::Ready { place, .. } | Place::Leased { place, .. } => *place = next,
                _ => {}
            }
        }
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn live(&self) -> usize {
        let live = |item: &&Item| item.state().is_some_and(is_live);
        self.items.iter().filter(live).count()
    }

    fn find(&self, id: u64) -> Option<usize> {
        self.items.iter().position(|item| item.id == id)
    }

    fn key(&self, key: u8) -> Option<(u64, Option<u8>)> {
        let known = self
            .keys
            .iter()
            .find(|(k, .., end)| *k == key && *end > self.now);
        known.map(|(_, id, print, _)| (*id, *print))
    }

    fn renew(&mut self, index: usize, from: Time) {
        let (id, print) = (self.items[index].id, self.items[index].print);
        let Some(key) = self.items[index].key else {
            return;
        };
        let end = from + WINDOW;
        match self.key(key) {
            Some((other, _)) if other != id => {}
            Some(_) => {
                let known = self.keys.iter_mut().find(|(k, ..)| *k == key);
                let known = known.expect("it was found just now");
                known.3 = known.3.max(end);
            }
            None => {
                self.keys.retain(|(k, ..)| *k != key);
                self.keys.push((key, id, print, end));
            }
        }
    }

    fn end(&mut self, index: usize, state: State) {
        let at = self.now;
        self.items[index].place = match self.retain {
            0 => Place::Gone,
            _ => Place::Ended { state, at },
        };
    }

    fn put_back(&mut self, index: usize, due: Time) {
        if self.items[index].expires.is_some_and(|at| at <= self.now) {
            self.end(index, State::Expired);
        } else if due > self.now {
            self.items[index].place = Place::Scheduled { due };
        } else {
            let place = self.count();
            self.items[index].place = Place::Ready { since: due, place };
        }
    }

    /// Everything that time alone does, in the order of the times.
    pub(crate) fn tick(&mut self, now: Time) {
        self.now = self.now.max(now);
        let now = self.now;
        for index in 0..self.items.len() {
            let item = &self.items[index];
            let waits = matches!(item.place, Place::Scheduled { .. } | Place::Ready { .. });
            if waits && item.expires.is_some_and(|at| at <= now) {
                self.end(index, State::Expired);
            }
        }
        let mut due: Vec<(Time, u8, u64, usize)> = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            match item.place {
                Place::Scheduled { due: at } if at <= now => {
                    due.push((at, 0, item.accepted, index));
                }
                Place::Leased { until, place, .. } if until <= now => {
                    due.push((until, 1, place, index));
                }
                _ => {}
            }
        }
        due.sort_unstable();
        for (at, sort, _, index) in due {
            if sort == 1 {
                self.items[index].errors += 1;
            }
            self.put_back(index, at);
        }
        self.keys.retain(|(.., end)| *end > now);
        for item in &mut self.items {
            match item.place {
                Place::Dead { at, .. } if at + DEAD_RETENTION <= now => item.place = Place::Gone,
                Place::Ended { at, .. } if at + self.retain <= now => item.place = Place::Gone,
                _ => {}
            }
        }
    }

    /// `ids` are the ids that the accepted ones get.
    pub(crate) fn publish(
        &mut self,
        batch: &[New],
        mut ids: impl FnMut() -> u64,
    ) -> Result<Vec<Published>, Refused> {
        let mut first_of_key: Vec<(u8, usize)> = Vec::new();
        let mut fresh = 0;
        for (place, new) in batch.iter().enumerate() {
            match new.key {
                Some(key) if self.key(key).is_some() => {}
                Some(key) if first_of_key.iter().any(|(k, _)| *k == key) => {}
                Some(key) => {
                    first_of_key.push((key, place));
                    fresh += 1;
                }
                None => fresh += 1,
            }
        }
        if fresh > CAPACITY {
            return Err(Refused::TooLarge);
        }
        if self.live() + fresh > CAPACITY {
            return Err(Refused::Full);
        }
        if !first_of_key.is_empty() && self.keys.len() + first_of_key.len() > KEY_LIMIT {
            return Err(Refused::KeysFull);
        }
        let mut answers = Vec::new();
        for new in batch {
            let known = new.key.and_then(|key| self.key(key));
            answers.push(match known {
                Some((id, print)) => Published::Duplicate(id, print == new.print),
                None => Published::Accepted(self.accept(new, ids())),
            });
        }
        Ok(answers)
    }

    fn accept(&mut self, new: &New, id: u64) -> u64 {
        let due = self.now + new.delay.unwrap_or(0);
        let accepted = self.count();
        self.items.push(Item {
            id,
            key: new.key,
            print: new.print,
            accepted,
            age_from: due,
            expires: new.live_for.map(|span| self.now + span),
            attempt: 0,
            errors: 0,
            place: Place::Gone,
        });
        let index = self.items.len() - 1;
        self.renew(index, due);
        self.put_back(index, due);
        id
    }

    /// The messages that are handed out now, in order.
    pub(crate) fn receive(&mut self, max: usize) -> Vec<Item> {
        let mut received = Vec::new();
        while received.len() < max && !self.paused {
            let next = self.ready().into_iter().min();
            let Some((_, index)) = next else { break };
            let (place, delivery) = (self.count(), self.deliveries);
            let until = self.now + LEASE;
            self.deliveries += 1;
            let item = &mut self.items[index];
            item.attempt += 1;
            item.place = Place::Leased {
                until,
                place,
                delivery,
            };
            received.push(item.clone());
        }
        received
    }

    /// Place in the line and index of each ready message.
    fn ready(&self) -> Vec<(u64, usize)> {
        let ready = |(index, item): (usize, &Item)| match item.place {
            Place::Ready { place, .. } => Some((place, index)),
            _ => None,
        };
        self.items.iter().enumerate().filter_map(ready).collect()
    }

    /// `delivery` counts all that were ever made.
    pub(crate) fn settle(&mut self, delivery: usize, verb: Verb) -> SettleOutcome {
        let now = self.now;
        let holds = |item: &Item| match item.place {
            Place::Leased {
                delivery: d, until, ..
            } => d == delivery && until > now,
            _ => false,
        };
        let Some(index) = self.items.iter().position(holds) else {
            return SettleOutcome::LeaseLost;
        };
        let over = self.items[index].expires.is_some_and(|at| at <= now);
        match verb {
            Verb::Ack => self.end(index, State::Done),
            Verb::Extend => {
                let place = self.count();
                self.items[index].place = Place::Leased {
                    until: now + LEASE,
                    place,
                    delivery,
                };
            }
            _ if over => self.end(index, State::Expired),
            Verb::Retry(after) => {
                self.items[index].errors += 1;
                self.renew(index, now);
                self.put_back(index, now + after);
            }
            Verb::Release(after) => {
                self.items[index].attempt -= 1;
                self.put_back(index, now + after);
            }
            Verb::Dead => {
                self.items[index].errors += 1;
                self.renew(index, now);
                let place = self.count();
                self.items[index].place = Place::Dead { at: now, place };
                self.drop_dead_letters();
            }
        }
        SettleOutcome::Done
    }

    fn drop_dead_letters(&mut self) {
        while self.dead().len() > DEAD_LIMIT {
            let oldest = self.dead()[0];
            self.items[oldest].place = Place::Gone;
            self.dropped += 1;
        }
    }

    /// Indices in the order of death.
    pub(crate) fn dead(&self) -> Vec<usize> {
        let dead = |(index, item): (usize, &Item)| match item.place {
            Place::Dead { place, .. } => Some((place, index)),
            _ => None,
        };
        let mut dead: Vec<(u64, usize)> = self.items.iter().enumerate().filter_map(dead).collect();
        dead.sort_unstable();
        dead.into_iter().map(|(_, index)| index).collect()
    }

    pub(crate) fn redrive(&mut self, limit: usize) -> (u64, bool) {
        let mut count = 0;
        for index in self.dead().into_iter().take(limit) {
            if self.live() >= CAPACITY {
                return (count, true);
            }
            let (accepted, now) = (self.count(), self.now);
            let item = &mut self.items[index];
            item.accepted = accepted;
            item.attempt = 0;
            item.expires = None;
            item.age_from = now;
            self.renew(index, now);
            self.put_back(index, now);
            count += 1;
        }
        (count, false)
    }

    pub(crate) fn delete_dead(&mut self, limit: usize) -> u64 {
        let chosen: Vec<usize> = self.dead().into_iter().take(limit).collect();
        for index in &chosen {
            self.items[*index].place = Place::Gone;
        }
        chosen.len() as u64
    }

    pub(crate) fn cancel(&mut self, id: u64) -> CancelOutcome {
        let Some(index) = self.find(id) else {
            return CancelOutcome::NotFound;
        };
        match self.items[index].place {
            Place::Scheduled { .. } | Place::Ready { .. } => {
                self.end(index, State::Cancelled);
                CancelOutcome::Cancelled
            }
            Place::Leased { .. } => CancelOutcome::AlreadyRunning,
            Place::Dead { .. } | Place::Ended { .. } => CancelOutcome::AlreadyOver,
            Place::Gone => CancelOutcome::NotFound,
        }
    }

    pub(crate) fn cancel_key(&mut self, key: u8) -> CancelOutcome {
        match self.key(key).map(|(id, _)| self.cancel(id)) {
            None => CancelOutcome::NotFound,
            Some(CancelOutcome::NotFound) => CancelOutcome::AlreadyOver,
            Some(outcome) => outcome,
        }
    }

    pub(crate) fn purge(&mut self) -> u64 {
        let mut count = 0;
        for item in &mut self.items {
            if matches!(item.place, Place::Scheduled { .. } | Place::Ready { .. }) {
                item.place = Place::Gone;
                count += 1;
            }
        }
        count
    }

    pub(crate) fn stats(&self) -> Stats {
        let of = |state| {
            self.items
                .iter()
                .filter(|i| i.state() == Some(state))
                .count() as u64
        };
        let since = |item: &Item| match item.place {
            Place::Ready { since, .. } => Some(since),
            _ => None,
        };
        let oldest = self.items.iter().filter_map(since).min();
        Stats {
            scheduled: of(State::Scheduled),
            ready: of(State::Ready),
            leased: of(State::Leased),
            done: of(State::Done) + of(State::Cancelled) + of(State::Expired),
            dead: of(State::Dead),
            dead_dropped: self.dropped,
            idempotency_keys: self.keys.len() as u64,
            capacity: CAPACITY as u64,
            oldest_age: oldest.map(|at| std::time::Duration::from_secs(self.now - at)),
            paused: self.paused,
        }
    }

    pub(crate) fn next_event(&self) -> Option<Time> {
        let next = |item: &Item| match item.place {
            Place::Scheduled { due } => Some(item.expires.map_or(due, |at| at.min(due))),
            Place::Ready { .. } => item.expires,
            Place::Leased { until, .. } => Some(until),
            _ => None,
        };
        self.items.iter().filter_map(next).min()
    }
}

fn is_live(state: State) -> bool {
    matches!(state, State::Scheduled | State::Ready | State::Leased)
}

impl Item {
    pub(crate) fn state(&self) -> Option<State> {
        match self.place {
            Place::Scheduled { .. } => Some(State::Scheduled),
            Place::Ready { .. } => Some(State::Ready),
            Place::Leased { .. } => Some(State::Leased),
            Place::Dead { .. } => Some(State::Dead),
            Place::Ended { state, .. } => Some(state),
            Place::Gone => None,
        }
    }
}
