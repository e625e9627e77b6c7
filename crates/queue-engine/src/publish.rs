use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use forebay_queue_core::{
    Error, Message, MessageId, NewMessage, PublishOutcome, QueueName, Timestamp, Weight,
};

use crate::change::{Change, KeyHash, Known};
use crate::engine::{Cause, Engine};
use crate::entry::{Entry, Slot};
use crate::keys;

/// Why a batch was not taken. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no room now.
    Full {
        /// How many messages may be there.
        limit: usize,
    },
    /// There is no room for another idempotency key now.
    KeysFull {
        /// How many keys may be there.
        limit: usize,
    },
    /// There never will be room: the batch is larger than the queue.
    TooLarge {
        /// How many new messages it brings.
        size: usize,
        /// How many messages may be there.
        limit: usize,
    },
    /// An id that the queue still knows, or that stands twice in the batch.
    IdInUse(MessageId),
}

impl Refusal {
    /// What whoever published it to this queue is told.
    pub fn into_error(self, queue: &QueueName) -> Error {
        let queue = queue.clone();
        match self {
            Self::Full { limit } => Error::Full {
                queue,
                what: "messages",
                limit,
            },
            Self::KeysFull { limit } => Error::Full {
                queue,
                what: "idempotency keys",
                limit,
            },
            Self::TooLarge { size, limit } => Error::TooLarge {
                what: "messages in one publish, by the queue's capacity",
                size,
                limit,
            },
            Self::IdInUse(id) => Error::Invalid {
                what: "message id",
                problem: format!("{id} is in use"),
                allowed: "a fresh id for every message, or none",
            },
        }
    }
}

/// What is to become of a batch.
struct Planned {
    plans: Vec<Plan>,
    /// How many messages it adds.
    fresh: usize,
    /// How many idempotency keys it adds.
    keyed: usize,
}

/// What is to become of one message of a batch.
enum Plan {
    Accept(Option<KeyHash>),
    /// The first message is known already.
    Duplicate(PublishOutcome),
    /// The first message is in this batch, at this place.
    Repeat(usize),
}

impl Engine {
    /// Takes a batch, all or nothing. On success `messages` is empty; on refusal it is as it was.
    ///
    /// `new_id` makes the ids that are missing.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn publish(
        &mut self,
        now: Timestamp,
        messages: &mut Vec<NewMessage>,
        mut new_id: impl FnMut() -> MessageId,
    ) -> Result<Vec<PublishOutcome>, Refusal> {
        let through = self.tick(now);
        let plans = match self.checked_plan(messages) {
            // What has ended but is not dealt with yet still takes room.
            Err(_) if !through => {
                self.settle_time(now);
                self.checked_plan(messages)?
            }
            plans => plans?,
        };
        let mut outcomes: Vec<PublishOutcome> = Vec::with_capacity(messages.len());
        let mut fingerprints = Vec::new();
        for (message, plan) in messages.drain(..).zip(plans) {
            let outcome = match plan {
                Plan::Duplicate(outcome) => outcome,
                Plan::Repeat(first) => PublishOutcome::Duplicate {
                    id: outcomes[first].id(),
                    same_fingerprint: fingerprints
                        .iter()
                        .any(|(place, f)| *place == first && *f == message.fingerprint().copied()),
                },
                Plan::Accept(key) => {
                    if key.is_some() {
                        fingerprints.push((outcomes.len(), message.fingerprint().copied()));
                    }
                    let id = message.id().unwrap_or_else(&mut new_id);
                    self.accept(message, id, key);
                    PublishOutcome::Accepted(id)
                }
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Takes publishes back that could not be kept, as if they had never been: `changes` is what they and nothing but they
    /// have changed, and nothing has happened to the queue since. Answers what is left of the changes, which has to be kept.
    pub fn undo_publish(&mut self, changes: Vec<Change>) -> Vec<Change> {
        let journal = std::mem::take(&mut self.journal);
        let mut gone = HashSet::new();
        let mut left = Vec::new();
        for change in &changes {
            if let Change::Accepted(live) = change {
                let id = live.message.id();
                gone.insert(id);
                if let Some(slot) = self.index.find(&self.entries, id) {
                    self.withdraw(slot);
                    self.take_out(slot);
                }
            }
        }
        for change in changes.into_iter().rev() {
            match change {
                Change::Accepted(_) => {}
                Change::KeySet { hash, before, .. } => self.keys.put_back(hash, before),
                Change::Share { key, before, .. } => self.ready.lanes.put_back(&key, before),
                // It had expired at once.
                Change::Removed(message) if gone.contains(&message.id()) => {}
                Change::Ended { number, over } if gone.contains(&over.message.id()) => {
                    self.done.remove(number);
                }
                other => left.push(other),
            }
        }
        self.journal = journal;
        self.ready.lanes.take_changes(&mut Vec::new());
        left.reverse();
        left
    }

    /// What a batch is answered with that may not be taken now, because others have been waiting longer.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] and [`Refusal::IdInUse`] as from [`Engine::publish`]; otherwise [`Refusal::Full`], unless
    /// it is nothing but duplicates of messages accepted before: they need no room.
    pub fn answer_without_room(
        &mut self,
        now: Timestamp,
        messages: &[NewMessage],
    ) -> Result<Vec<PublishOutcome>, Refusal> {
        self.settle_time(now);
        let Planned { plans, fresh, .. } = self.plan(messages);
        self.check_for_good(messages, &plans, fresh)?;
        let duplicate = |plan| match plan {
            Plan::Duplicate(outcome) => Some(outcome),
            Plan::Accept(_) | Plan::Repeat(_) => None,
        };
        let outcomes: Option<Vec<PublishOutcome>> = plans.into_iter().map(duplicate).collect();
        let limit = self.config.capacity;
        outcomes.ok_or(Refusal::Full { limit })
    }

    fn duplicate_of(&self, hash: &KeyHash, message: &NewMessage) -> Option<PublishOutcome> {
        let known = self.keys.get(hash, self.now)?;
        Some(PublishOutcome::Duplicate {
            id: known.id,
            same_fingerprint: known.fingerprint.as_ref() == message.fingerprint(),
        })
    }

    fn checked_plan(&self, messages: &[NewMessage]) -> Result<Vec<Plan>, Refusal> {
        let Planned {
            plans,
            fresh,
            keyed,
        } = self.plan(messages);
        self.check_for_good(messages, &plans, fresh)?;
        self.check_room(fresh, keyed)?;
        Ok(plans)
    }

    fn plan(&self, messages: &[NewMessage]) -> Planned {
        let mut plans = Vec::with_capacity(messages.len());
        let mut keyed: HashMap<KeyHash, usize> = HashMap::new();
        let mut fresh = 0;
        for message in messages {
            let plan = match message.idempotency_key() {
                None => Plan::Accept(None),
                Some(key) => self.plan_keyed(message, keys::hash(key), plans.len(), &mut keyed),
            };
            if matches!(plan, Plan::Accept(_)) {
                fresh += 1;
            }
            plans.push(plan);
        }
        Planned {
            plans,
            fresh,
            keyed: keyed.len(),
        }
    }

    fn plan_keyed(
        &self,
        message: &NewMessage,
        hash: KeyHash,
        place: usize,
        keyed: &mut HashMap<KeyHash, usize>,
    ) -> Plan {
        if let Some(duplicate) = self.duplicate_of(&hash, message) {
            return Plan::Duplicate(duplicate);
        }
        if self.config.idempotency_window.is_zero() {
            return Plan::Accept(None);
        }
        let first = *keyed.entry(hash).or_insert(place);
        if first == place {
            Plan::Accept(Some(hash))
        } else {
            Plan::Repeat(first)
        }
    }

    /// What no waiting helps against.
    fn check_for_good(
        &self,
        messages: &[NewMessage],
        plans: &[Plan],
        fresh: usize,
    ) -> Result<(), Refusal> {
        let limit = self.config.capacity;
        if fresh > limit {
            return Err(Refusal::TooLarge { size: fresh, limit });
        }
        self.check_ids(messages, plans)
    }

    fn check_room(&self, fresh: usize, keyed: usize) -> Result<(), Refusal> {
        let limit = self.config.capacity;
        if fresh > self.room() {
            return Err(Refusal::Full { limit });
        }
        let limit = self.config.idempotency_limit;
        if keyed > 0 && self.keys.len() + keyed > limit {
            return Err(Refusal::KeysFull { limit });
        }
        Ok(())
    }

    fn check_ids(&self, messages: &[NewMessage], plans: &[Plan]) -> Result<(), Refusal> {
        let accepted = |(message, plan): (&NewMessage, &Plan)| {
            matches!(plan, Plan::Accept(_))
                .then_some(message.id())
                .flatten()
        };
        let mut ids: Vec<MessageId> = messages.iter().zip(plans).filter_map(accepted).collect();
        if let Some(known) = ids.iter().find(|id| self.knows(**id)) {
            return Err(Refusal::IdInUse(*known));
        }
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(Refusal::IdInUse(twice[0])),
            None => Ok(()),
        }
    }

    fn knows(&self, id: MessageId) -> bool {
        self.index.find(&self.entries, id).is_some()
            || self.dead.contains(id)
            || self.done.contains(id)
    }

    fn accept(&mut self, message: NewMessage, id: MessageId, key: Option<KeyHash>) {
        let message = Arc::new(Message::accept(message, id, self.now));
        let due = message.deliver_at().unwrap_or(self.now).max(self.now);
        if let Some(hash) = key {
            let known = Known {
                id,
                fingerprint: message.fingerprint().copied(),
                until: due.after(self.config.idempotency_window),
            };
            self.keys.renew(hash, known, self.now, &mut self.journal);
        }
        let weight = message.weight();
        let slot = self.insert(Entry::new(message, self.next_sequence), weight);
        self.put_back(slot, due, Cause::Accepted);
    }

    /// Gives an entry a slot and finds it by id from now on. `weight` is set for its fairness key.
    pub(crate) fn insert(&mut self, mut entry: Entry, weight: Option<Weight>) -> Slot {
        entry.sequence = self.next_sequence;
        self.restore(entry, weight)
    }

    /// The same with the sequence that it has.
    pub(crate) fn restore(&mut self, mut entry: Entry, weight: Option<Weight>) -> Slot {
        let key = entry.message.fairness_key();
        entry.lane = self.ready.lanes.enter(key, weight);
        self.next_sequence = self.next_sequence.max(entry.sequence + 1);
        // Capacity is at most 2^31, and nothing but accepted and redriven messages within it is live.
        let slot = Slot::try_from(self.entries.insert(entry)).unwrap_or(crate::entry::NIL);
        self.index.insert(&self.entries, slot);
        slot
    }
}
