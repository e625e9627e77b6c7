use std::collections::HashMap;
use std::sync::Arc;

use forebay_queue_core::{Message, MessageId, NewMessage, PublishOutcome, Timestamp};

use crate::engine::Engine;
use crate::entry::{Entry, Slot};
use crate::keys::{self, KeyHash};

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
        self.tick(now);
        let plan = self.plan(messages)?;
        let mut outcomes: Vec<PublishOutcome> = Vec::with_capacity(messages.len());
        let mut fingerprints = Vec::new();
        for (message, plan) in messages.drain(..).zip(plan) {
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

    /// The outcomes of a batch of nothing but duplicates of messages accepted before; such a batch needs no room.
    pub fn all_duplicates(
        &mut self,
        now: Timestamp,
        messages: &[NewMessage],
    ) -> Option<Vec<PublishOutcome>> {
        self.tick(now);
        let outcome = |message: &NewMessage| {
            let hash = keys::hash(message.idempotency_key()?);
            self.duplicate_of(&hash, message)
        };
        messages.iter().map(outcome).collect()
    }

    fn duplicate_of(&self, hash: &KeyHash, message: &NewMessage) -> Option<PublishOutcome> {
        let known = self.keys.get(hash, self.now)?;
        Some(PublishOutcome::Duplicate {
            id: known.id,
            same_fingerprint: known.fingerprint.as_ref() == message.fingerprint(),
        })
    }

    fn plan(&self, messages: &[NewMessage]) -> Result<Vec<Plan>, Refusal> {
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
        self.check_room(fresh, keyed.len())?;
        self.check_ids(messages, &plans)?;
        Ok(plans)
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

    fn check_room(&self, fresh: usize, keyed: usize) -> Result<(), Refusal> {
        let limit = self.config.capacity;
        if fresh > limit {
            return Err(Refusal::TooLarge { size: fresh, limit });
        }
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
        let due = message.deliver_at();
        if let Some(hash) = key {
            let from = due.unwrap_or(self.now).max(self.now);
            let fingerprint = message.fingerprint().copied();
            let until = from.after(self.config.idempotency_window);
            self.keys.renew(hash, id, fingerprint, self.now, until);
        }
        let slot = self.insert(Entry::new(message, self.next_sequence));
        self.put_back(slot, due);
    }

    /// Gives an entry a slot and finds it by id from now on.
    pub(crate) fn insert(&mut self, mut entry: Entry) -> Slot {
        entry.sequence = self.next_sequence;
        self.next_sequence += 1;
        let id = entry.message.id();
        // Capacity is at most 2^31, and nothing but accepted and redriven messages within it is live.
        let slot = Slot::try_from(self.entries.insert(entry)).unwrap_or(crate::entry::NIL);
        self.index.insert(&self.entries, id, slot);
        slot
    }
}
