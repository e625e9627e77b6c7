use foldhash::fast::FixedState;
use forebay_queue_core::MessageId;
use hashbrown::HashTable;
use slab::Slab;
use std::hash::BuildHasher;

use crate::entry::{Entry, Slot};

/// Finds live messages by id. Keeps slots only; the ids lie in the entries.
#[derive(Debug)]
pub(crate) struct Index {
    table: HashTable<Slot>,
    hasher: FixedState,
}

impl Index {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            table: HashTable::new(),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn find(&self, entries: &Slab<Entry>, id: MessageId) -> Option<Slot> {
        let same = |slot: &Slot| entries[*slot as usize].message.id() == id;
        self.table.find(self.hasher.hash_one(id), same).copied()
    }

    pub(crate) fn insert(&mut self, entries: &Slab<Entry>, id: MessageId, slot: Slot) {
        let hasher = &self.hasher;
        self.table.insert_unique(hasher.hash_one(id), slot, |slot| {
            hasher.hash_one(entries[*slot as usize].message.id())
        });
    }

    pub(crate) fn remove(&mut self, id: MessageId, slot: Slot) {
        let hash = self.hasher.hash_one(id);
        if let Ok(found) = self.table.find_entry(hash, |s| *s == slot) {
            found.remove();
        }
    }

    /// Gives memory back after a great deal of it has become free.
    pub(crate) fn reset(&mut self) {
        self.table = HashTable::new();
    }
}
