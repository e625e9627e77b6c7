use forebay_queue_core::{CancelOutcome, CancelTarget, State, Timestamp};

use crate::change::Change;
use crate::engine::Engine;
use crate::entry::{Place, Slot};
use crate::keys;

impl Engine {
    /// Takes a message back that has not been handed out.
    pub fn cancel(&mut self, now: Timestamp, target: &CancelTarget) -> CancelOutcome {
        self.settle_time(now);
        let (id, by_key) = match target {
            CancelTarget::Id(id) => (*id, false),
            CancelTarget::Key(key) => match self.keys.get(&keys::hash(key), self.now) {
                Some(known) => (known.id, true),
                None => return CancelOutcome::NotFound,
            },
        };
        match self.index.find(&self.entries, id) {
            Some(slot) if matches!(self.entry(slot).place, Place::Leased(_)) => {
                CancelOutcome::AlreadyRunning
            }
            Some(slot) => {
                self.withdraw(slot);
                self.finish(slot, State::Cancelled);
                CancelOutcome::Cancelled
            }
            // A key that is known outlives its message.
            None if by_key || self.dead.contains(id) || self.done.contains(id) => {
                CancelOutcome::AlreadyOver
            }
            None => CancelOutcome::NotFound,
        }
    }

    /// Stops hand-outs. Idempotent.
    pub fn pause(&mut self) {
        self.set_paused(true);
    }

    /// Hand-outs go on. Idempotent.
    pub fn resume(&mut self) {
        self.set_paused(false);
    }

    fn set_paused(&mut self, paused: bool) {
        if self.paused != paused {
            self.paused = paused;
            self.journal.note(|| Change::Paused(paused));
        }
    }

    /// Removes every scheduled and ready message; answers how many.
    pub fn purge(&mut self, now: Timestamp) -> u64 {
        self.settle_time(now);
        let waiting = |(slot, entry): (usize, &crate::entry::Entry)| {
            let waits = !matches!(entry.place, Place::Leased(_));
            waits.then(|| Slot::try_from(slot).ok()).flatten()
        };
        let slots: Vec<Slot> = self.entries.iter().filter_map(waiting).collect();
        for slot in &slots {
            self.withdraw(*slot);
            let entry = self.take_out(*slot);
            self.journal.note(|| Change::Removed(entry.message));
        }
        slots.len() as u64
    }
}
