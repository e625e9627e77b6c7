use std::time::Duration;

use foldhash::fast::FixedState;
use forebay_queue_core::Timestamp;
use hashbrown::HashMap;
use slab::Slab;

use crate::entry::{Entry, Place, Slot};
use crate::list::{List, PLACE};

/// Who is leased, in the order in which the leases end.
///
/// All leases of one length end in the order in which they were given or extended, so a plain list per length is
/// sorted by itself and every step is O(1). There are as many lists as lengths in use: one, and for one lease after
/// the queue's lease was changed, two.
#[derive(Clone, Debug)]
pub(crate) struct Leases {
    classes: Vec<Class>,
    len: usize,
    /// Where the leases are that an earlier life of the queue gave, by their tokens.
    restored: HashMap<u64, Slot, FixedState>,
}

#[derive(Clone, Debug)]
struct Class {
    length: Duration,
    line: List<PLACE>,
}

impl Leases {
    pub(crate) fn new() -> Self {
        Self {
            classes: Vec::new(),
            len: 0,
            restored: HashMap::with_hasher(FixedState::with_seed(0)),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Leases an entry from now; `token` of the entry must be set.
    pub(crate) fn push(
        &mut self,
        entries: &mut Slab<Entry>,
        slot: Slot,
        now: Timestamp,
        length: Duration,
    ) {
        self.push_until(entries, slot, now.after(length), length);
    }

    /// Leases an entry again that an earlier life of the queue had leased, after those that end before it.
    pub(crate) fn restore(
        &mut self,
        entries: &mut Slab<Entry>,
        slot: Slot,
        until: Timestamp,
        length: Duration,
    ) {
        self.push_until(entries, slot, until, length);
        self.restored.insert(entries[slot as usize].token, slot);
    }

    fn push_until(
        &mut self,
        entries: &mut Slab<Entry>,
        slot: Slot,
        until: Timestamp,
        length: Duration,
    ) {
        let class = self.class(length);
        entries[slot as usize].place = Place::Leased(until);
        entries[slot as usize].lease_length = length;
        self.classes[class].line.push_back(entries, slot);
        self.len += 1;
    }

    /// The restored lease with this token.
    pub(crate) fn restored(&self, token: u64) -> Option<Slot> {
        self.restored.get(&token).copied()
    }

    /// The lease with this token is over: its receipt settles nothing any more.
    pub(crate) fn forget(&mut self, token: u64) {
        if !self.restored.is_empty() {
            self.restored.remove(&token);
        }
    }

    pub(crate) fn remove(&mut self, entries: &mut Slab<Entry>, slot: Slot) {
        let class = self.class(entries[slot as usize].lease_length);
        let line = &mut self.classes[class].line;
        line.remove(entries, slot);
        let empty = line.len() == 0;
        // The last list stays: a queue that runs empty and fills again allocates nothing.
        if empty && self.classes.len() > 1 {
            self.classes.swap_remove(class);
        }
        self.len -= 1;
    }

    /// The lease that ends first, and when.
    pub(crate) fn first(&self, entries: &Slab<Entry>) -> Option<(Timestamp, Slot)> {
        let first = |class: &Class| {
            let slot = class.line.first()?;
            match entries[slot as usize].place {
                Place::Leased(until) => Some((until, slot)),
                Place::Scheduled(_) | Place::Ready(_) => None,
            }
        };
        self.classes.iter().filter_map(first).min()
    }

    fn class(&mut self, length: Duration) -> usize {
        let known = self.classes.iter().position(|c| c.length == length);
        known.unwrap_or_else(|| {
            self.classes.push(Class {
                length,
                line: List::new(),
            });
            self.classes.len() - 1
        })
    }
}
