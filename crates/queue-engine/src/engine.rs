use std::collections::BTreeSet;

use forebay_queue_core::{QueueConfig, State, Timestamp};
use slab::Slab;

use crate::archive::{Archive, Ended};
use crate::change::{self, Change, Journal, Known};
use crate::entry::{Entry, Place, Slot};
use crate::index::Index;
use crate::keys::{self, Keys};
use crate::leases::Leases;
use crate::ready::Ready;

/// How many due things of each sort one step deals with, so that no single step takes long when a million come due at once.
const BUDGET: usize = 4096;

/// One queue.
///
/// Every step takes the time. Time that runs backwards is taken as standing still.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) config: QueueConfig,
    pub(crate) now: Timestamp,
    pub(crate) entries: Slab<Entry>,
    pub(crate) index: Index,
    pub(crate) ready: Ready,
    /// Due time, order of acceptance, slot.
    pub(crate) scheduled: BTreeSet<(Timestamp, u64, Slot)>,
    pub(crate) leases: Leases,
    /// End of life and slot of those scheduled and ready messages that have one.
    pub(crate) expiring: BTreeSet<(Timestamp, Slot)>,
    pub(crate) keys: Keys,
    pub(crate) dead: Archive,
    pub(crate) done: Archive,
    pub(crate) paused: bool,
    pub(crate) next_sequence: u64,
    pub(crate) next_token: u64,
    pub(crate) dead_dropped: u64,
    pub(crate) journal: Journal,
}

/// Why a message is put in its place: what is to be written down about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Accepted,
    Updated,
    /// The number that it had among the dead letters.
    Redriven(u64),
}

impl Engine {
    /// An empty queue.
    ///
    /// `seed` must differ from queue to queue and from start to start: fencing tokens count up from it, so that
    /// a receipt of another queue, or of an earlier life of this one, settles nothing.
    pub fn new(config: QueueConfig, seed: u64) -> Self {
        Self {
            config,
            now: Timestamp::ZERO,
            entries: Slab::new(),
            index: Index::new(seed),
            ready: Ready::new(seed),
            scheduled: BTreeSet::new(),
            leases: Leases::new(),
            expiring: BTreeSet::new(),
            keys: Keys::new(seed),
            dead: Archive::new(seed),
            done: Archive::new(seed),
            paused: false,
            next_sequence: 1,
            next_token: seed,
            dead_dropped: 0,
            journal: Journal::default(),
        }
    }

    /// Writes down from now on what the steps change, for [`take_changes`](Self::take_changes).
    pub fn record_changes(&mut self) {
        self.journal.start();
        self.ready.lanes.record_changes();
        self.ready.throttles.record_changes();
    }

    /// What has changed since this was asked last, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = self.journal.take();
        if self.journal.is_kept() {
            self.ready.lanes.take_changes(&mut changes);
            self.ready.throttles.take_changes(&mut changes);
        }
        changes
    }

    /// The configuration.
    pub fn config(&self) -> &QueueConfig {
        &self.config
    }

    /// Another configuration from now on. Running leases keep their end; dead and ended messages over a smaller
    /// limit go, the oldest first.
    pub fn update(&mut self, config: QueueConfig) {
        self.config = config;
        let dropped = self
            .dead
            .shrink(self.config.dead_letter_limit, &mut self.journal);
        self.drop_dead_letters(dropped);
        self.done
            .shrink(self.config.retain_done_limit, &mut self.journal);
    }

    /// So many dead letters were dropped because there were too many.
    pub(crate) fn drop_dead_letters(&mut self, dropped: usize) {
        if dropped > 0 {
            self.dead_dropped += dropped as u64;
            self.journal.note(|| Change::DeadDropped(self.dead_dropped));
        }
    }

    /// Whether a receive would hand something out.
    pub fn has_ready(&self) -> bool {
        !self.paused && self.ready.has_next()
    }

    /// How many more messages fit.
    pub fn room(&self) -> usize {
        self.config.capacity.saturating_sub(self.entries.len())
    }

    /// Messages scheduled, ready and leased.
    pub fn live(&self) -> usize {
        self.entries.len()
    }

    /// Dead letters dropped so far because there were too many.
    pub fn dead_letters_dropped(&self) -> u64 {
        self.dead_dropped
    }

    /// When time alone changes what can be received or published next: something is due, a lease ends, a message expires, a
    /// bucket has a token for one that waits.
    pub fn next_event(&self) -> Option<Timestamp> {
        let due = self.scheduled.first().map(|(at, ..)| *at);
        let lease = self.leases.first(&self.entries).map(|(at, _)| at);
        let expiry = self.expiring.first().map(|(at, _)| *at);
        let token = self.ready.throttles.first_due();
        [due, lease, expiry, token].into_iter().flatten().min()
    }

    /// When the window of an idempotency key may end next: until then no key makes room for another.
    pub fn next_key_end(&self) -> Option<Timestamp> {
        self.keys.next_end()
    }

    /// Lets time pass. Every other step does this first; answers whether all that was due is dealt with.
    pub fn tick(&mut self, now: Timestamp) -> bool {
        self.now = self.now.max(now);
        let mut through = self.expire_messages();
        through &= self.bring_back();
        through &= self.ready.refill(&mut self.entries, self.now, BUDGET);
        let journal = &mut self.journal;
        through &= self.keys.expire(self.now, BUDGET, journal);
        let config = &self.config;
        let retention = config.dead_letter_retention;
        through &= self.dead.expire(self.now, retention, BUDGET, journal);
        let retention = config.retain_done;
        through & self.done.expire(self.now, retention, BUDGET, journal)
    }

    /// Lets time pass until everything due is dealt with, for answers that have to be exact.
    pub(crate) fn settle_time(&mut self, now: Timestamp) {
        while !self.tick(now) {}
    }

    fn expire_messages(&mut self) -> bool {
        for _ in 0..BUDGET {
            match self.expiring.first() {
                Some((at, slot)) if *at <= self.now => {
                    let slot = *slot;
                    self.withdraw(slot);
                    self.finish(slot, State::Expired);
                }
                _ => return true,
            }
        }
        false
    }

    /// What is due, and what lost its lease, becomes ready in the order of those times, however late this step
    /// comes: the line of the ready ones stays sorted by age.
    fn bring_back(&mut self) -> bool {
        for _ in 0..BUDGET {
            let due = self.scheduled.first().map(|(at, ..)| *at);
            let lease = self.leases.first(&self.entries);
            match (due, lease) {
                (Some(due), lease) if due <= self.now && lease.is_none_or(|(at, _)| due <= at) => {
                    self.promote_first();
                }
                (_, Some((until, slot))) if until <= self.now => self.end_lease(slot, until),
                _ => return true,
            }
        }
        false
    }

    fn promote_first(&mut self) {
        if let Some((due, _, slot)) = self.scheduled.pop_first() {
            self.make_ready(slot, due);
        }
    }

    pub(crate) fn end_lease(&mut self, slot: Slot, until: Timestamp) {
        self.drop_lease(slot);
        self.entry_mut(slot).failed(until, "the lease ran out");
        self.put_back(slot, until, Cause::Updated);
    }

    pub(crate) fn entry(&self, slot: Slot) -> &Entry {
        &self.entries[slot as usize]
    }

    pub(crate) fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        &mut self.entries[slot as usize]
    }

    /// A message that is in no place yet becomes scheduled, or ready where `due` has come; expired, it leaves.
    pub(crate) fn put_back(&mut self, slot: Slot, due: Timestamp, cause: Cause) {
        let entry = &self.entries[slot as usize];
        self.journal.note(|| {
            let live = entry.live(if due > self.now {
                change::Place::Scheduled(due)
            } else {
                change::Place::Ready(due)
            });
            match cause {
                Cause::Accepted => Change::Accepted(live),
                Cause::Updated => Change::Updated(live),
                Cause::Redriven(number) => Change::Redriven { number, live },
            }
        });
        if self
            .entry(slot)
            .expires_at()
            .is_some_and(|at| at <= self.now)
        {
            self.finish(slot, State::Expired);
            return;
        }
        self.place(slot, due);
    }

    fn schedule(&mut self, slot: Slot, due: Timestamp) {
        let sequence = self.entry(slot).sequence;
        self.entry_mut(slot).place = Place::Scheduled(due);
        self.scheduled.insert((due, sequence, slot));
    }

    fn make_ready(&mut self, slot: Slot, since: Timestamp) {
        self.entry_mut(slot).place = Place::Ready(since);
        self.ready.push(&mut self.entries, slot, self.now);
    }

    /// A message that is in no place yet becomes scheduled, or ready where `due` has come, expired or not.
    pub(crate) fn place(&mut self, slot: Slot, due: Timestamp) {
        if let Some(at) = self.entry(slot).expires_at() {
            self.expiring.insert((at, slot));
        }
        if due > self.now {
            self.schedule(slot, due);
        } else {
            self.make_ready(slot, due);
        }
    }

    /// Takes a scheduled or ready message out of its place. The entry stays.
    pub(crate) fn withdraw(&mut self, slot: Slot) {
        let entry = self.entry(slot);
        if let Some(at) = entry.expires_at() {
            self.expiring.remove(&(at, slot));
        }
        match self.entry(slot).place {
            Place::Scheduled(due) => {
                let sequence = self.entry(slot).sequence;
                self.scheduled.remove(&(due, sequence, slot));
            }
            Place::Ready(_) => self.ready.remove(&mut self.entries, slot, self.now),
            Place::Leased(_) => self.drop_lease(slot),
        }
    }

    /// Takes a leased message out of its place. The entry stays.
    pub(crate) fn drop_lease(&mut self, slot: Slot) {
        let lane = self.entry(slot).lane;
        self.note_end_of_lease(slot);
        self.leases.forget(self.entry(slot).token);
        self.leases.remove(&mut self.entries, slot);
        self.ready.lease_over(&mut self.entries, lane, self.now);
    }

    pub(crate) fn note_end_of_lease(&mut self, slot: Slot) {
        let entry = &self.entries[slot as usize];
        if let Place::Leased(until) = entry.place {
            let id = entry.message.id();
            self.journal.note(|| Change::LeaseEnded { id, until });
        }
    }

    /// A message that is in no place any more leaves the live ones.
    pub(crate) fn take_out(&mut self, slot: Slot) -> Entry {
        let entry = self.entries.remove(slot as usize);
        self.index.remove(&self.entries, &entry, slot);
        self.ready.lanes.exit(entry.lane);
        self.give_back_memory();
        entry
    }

    /// A message that is in no place any more has ended, and is kept if the queue keeps such messages.
    pub(crate) fn finish(&mut self, slot: Slot, state: State) {
        let entry = self.take_out(slot);
        if self.config.retain_done.is_zero() {
            self.journal.note(|| Change::Removed(entry.message));
        } else {
            let ended = Ended::new(entry, state, self.now);
            let limit = self.config.retain_done_limit;
            self.done.push(ended, limit, &mut self.journal);
        }
    }

    /// The window of a message's idempotency key begins anew.
    pub(crate) fn renew_key(&mut self, slot: Slot) {
        let message = &self.entries[slot as usize].message;
        let Some(key) = message.idempotency_key() else {
            return;
        };
        let until = self.now.after(self.config.idempotency_window);
        let (hash, id) = (keys::hash(key), message.id());
        let known = Known {
            id,
            fingerprint: message.fingerprint().copied(),
            until,
        };
        self.keys.renew(hash, known, self.now, &mut self.journal);
    }

    /// A queue that was very long and is empty again does not keep its memory.
    fn give_back_memory(&mut self) {
        const WORTH_IT: usize = 65_536;
        if self.entries.is_empty() && self.entries.capacity() > WORTH_IT {
            self.entries = Slab::new();
            self.index.reset();
        }
    }
}
