use std::sync::Arc;

use forebay_queue_core::{
    Delivery, MessageId, Nack, NackAction, Receipt, SettleOutcome, State, Timestamp,
};

use crate::archive::Ended;
use crate::change::{Change, Lease};
use crate::engine::{Cause, Engine};
use crate::entry::{Place, Slot};

/// Slot (4 bytes) and fencing token (8 bytes), big-endian.
const RECEIPT_BYTES: usize = 12;

fn receipt(slot: Slot, token: u64) -> Receipt {
    let mut bytes = [0; RECEIPT_BYTES];
    bytes[..4].copy_from_slice(&slot.to_be_bytes());
    bytes[4..].copy_from_slice(&token.to_be_bytes());
    Receipt::from_bytes(&bytes)
}

fn parse(receipt: &Receipt) -> Option<(Slot, u64)> {
    let (slot, token) = receipt.as_bytes().split_first_chunk::<4>()?;
    let token = <[u8; 8]>::try_from(token).ok()?;
    Some((Slot::from_be_bytes(*slot), u64::from_be_bytes(token)))
}

impl Engine {
    /// Hands out up to `max` messages, each with a fresh fencing token and its attempt counted.
    pub fn receive(&mut self, now: Timestamp, max: usize) -> Vec<Delivery> {
        // What has come due may stand behind more that has ended than one step deals with.
        while !self.tick(now) && !self.ready.has_next() {}
        if self.paused {
            return Vec::new();
        }
        let mut deliveries = Vec::with_capacity(max.min(self.ready.len()));
        while deliveries.len() < max {
            let Some(next) = self.ready.pop(&mut self.entries, self.now) else {
                break;
            };
            if next.is_over {
                // The step that lets time pass has a budget, and had not come to this one yet.
                if let Some(at) = self.entry(next.slot).expires_at() {
                    self.expiring.remove(&(at, next.slot));
                }
                self.finish(next.slot, State::Expired);
            } else {
                deliveries.push(self.lease(next.slot));
            }
        }
        deliveries
    }

    /// Hands out exactly these messages, in this order: for a model that follows a store which has an order of its own.
    ///
    /// # Errors
    /// The first id that is not ready, or is named twice; also when hand-outs are stopped. Then nothing is handed out.
    pub fn receive_these(
        &mut self,
        now: Timestamp,
        ids: &[MessageId],
    ) -> Result<Vec<Delivery>, MessageId> {
        self.settle_time(now);
        let mut slots: Vec<Slot> = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.index.find(&self.entries, *id);
            let ready = |slot: &Slot| matches!(self.entry(*slot).place, Place::Ready(_));
            match found.filter(ready) {
                Some(slot) if !self.paused && !slots.contains(&slot) => slots.push(slot),
                _ => return Err(*id),
            }
        }
        let hand_out = |slot| {
            self.ready.take(&mut self.entries, slot, self.now);
            self.lease(slot)
        };
        Ok(slots.into_iter().map(hand_out).collect())
    }

    fn lease(&mut self, slot: Slot) -> Delivery {
        let token = self.next_token;
        self.next_token = self.next_token.wrapping_add(1);
        if let Some(at) = self.entry(slot).expires_at() {
            self.expiring.remove(&(at, slot));
        }
        let length = self.config.lease;
        self.leases.push(&mut self.entries, slot, self.now, length);
        let delivered_at = self.now;
        let entry = self.entry_mut(slot);
        entry.token = token;
        entry.attempt = entry.attempt.saturating_add(1);
        self.note_lease(slot);
        let entry = self.entry(slot);
        Delivery {
            message: Arc::clone(&entry.message),
            attempt: entry.attempt,
            receipt: receipt(slot, token),
            lease: length,
            age_from: entry.age_from(),
            delivered_at,
            errors: entry.errors(),
        }
    }

    /// Ends deliveries; answer *i* belongs to receipt *i*.
    pub fn ack(&mut self, now: Timestamp, receipts: &[Receipt]) -> Vec<SettleOutcome> {
        self.tick(now);
        let ack = |receipt: &Receipt| match self.held(receipt) {
            None => SettleOutcome::LeaseLost,
            Some(slot) => {
                self.drop_lease(slot);
                self.finish(slot, State::Done);
                SettleOutcome::Done
            }
        };
        receipts.iter().map(ack).collect()
    }

    /// Gives messages back, each in its own way.
    pub fn nack(&mut self, now: Timestamp, nacks: &[Nack]) -> Vec<SettleOutcome> {
        self.tick(now);
        let nack = |nack: &Nack| match self.held(&nack.receipt) {
            None => SettleOutcome::LeaseLost,
            Some(slot) => {
                self.give_back(slot, nack);
                SettleOutcome::Done
            }
        };
        nacks.iter().map(nack).collect()
    }

    /// Lets leases last from now.
    pub fn extend(&mut self, now: Timestamp, receipts: &[Receipt]) -> Vec<SettleOutcome> {
        self.tick(now);
        let length = self.config.lease;
        let extend = |receipt: &Receipt| match self.held(receipt) {
            None => SettleOutcome::LeaseLost,
            Some(slot) => {
                self.note_end_of_lease(slot);
                self.leases.remove(&mut self.entries, slot);
                self.leases.push(&mut self.entries, slot, self.now, length);
                self.note_lease(slot);
                SettleOutcome::Done
            }
        };
        receipts.iter().map(extend).collect()
    }

    fn note_lease(&mut self, slot: Slot) {
        let entry = &self.entries[slot as usize];
        if let Place::Leased(until) = entry.place {
            self.journal.note(|| Change::Leased {
                id: entry.message.id(),
                lease: Lease {
                    until,
                    token: entry.token,
                    length: entry.lease_length,
                    attempt: entry.attempt,
                },
            });
        }
    }

    /// The slot of the delivery that a receipt stands for, if its lease still lasts.
    fn held(&self, receipt: &Receipt) -> Option<Slot> {
        let (slot, token) = parse(receipt)?;
        let is_held = |slot: &Slot| match self.entries.get(*slot as usize) {
            Some(entry) if entry.token == token => {
                matches!(entry.place, Place::Leased(until) if until > self.now)
            }
            _ => false,
        };
        // A receipt of before a restart names another slot.
        let found = Some(slot).filter(is_held);
        found.or_else(|| self.leases.restored(token).filter(is_held))
    }

    fn give_back(&mut self, slot: Slot, nack: &Nack) {
        self.drop_lease(slot);
        if self
            .entry(slot)
            .expires_at()
            .is_some_and(|at| at <= self.now)
        {
            self.finish(slot, State::Expired);
            return;
        }
        let now = self.now;
        match nack.action {
            NackAction::Release { after } => {
                let entry = self.entry_mut(slot);
                entry.attempt = entry.attempt.saturating_sub(1);
                self.put_back(slot, now.after(after), Cause::Updated);
            }
            NackAction::Retry { after } => {
                self.note_cause(slot, nack);
                self.renew_key(slot);
                self.put_back(slot, now.after(after), Cause::Updated);
            }
            NackAction::DeadLetter => {
                self.note_cause(slot, nack);
                self.renew_key(slot);
                let entry = self.take_out(slot);
                let dead = Ended::new(entry, State::Dead, now);
                let limit = self.config.dead_letter_limit;
                let dropped = self.dead.push(dead, limit, &mut self.journal);
                self.drop_dead_letters(dropped);
            }
        }
    }

    fn note_cause(&mut self, slot: Slot, nack: &Nack) {
        if let Some(cause) = &nack.cause {
            let now = self.now;
            self.entry_mut(slot).failed(now, cause);
        }
    }
}
