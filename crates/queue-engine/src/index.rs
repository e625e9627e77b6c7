use foldhash::fast::FixedState;
use forebay_queue_core::MessageId;
use hashbrown::HashTable;
use slab::Slab;
use std::hash::BuildHasher;

use crate::entry::{Entry, Slot};

/// Finds live messages by id. Keeps slots only; the ids lie in the entries.
#[derive(Clone, Debug)]
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
        self.table.find(hash(&self.hasher, id), same).copied()
    }

    pub(crate) fn insert(&mut self, entries: &Slab<Entry>, id: MessageId, slot: Slot) {
        let hasher = &self.hasher;
        self.table.insert_unique(hash(hasher, id), slot, |slot| {
            hash(hasher, entries[*slot as usize].message.id())
        });
    }

    pub(crate) fn remove(&mut self, id: MessageId, slot: Slot) {
        let hash = hash(&self.hasher, id);
        if let Ok(found) = self.table.find_entry(hash, |s| *s == slot) {
            found.remove();
        }
    }

    /// Gives memory back after a great deal of it has become free.
    pub(crate) fn reset(&mut self) {
        self.table = HashTable::new();
    }
}

/// Ids that were made one after the other are neighbours in the table, eight at a time, as they are in the queue: of
/// a long queue most of the table is not in any cache, and so one miss serves eight messages.
///
/// Not more at a time: runs make the table's chains longer where they overlap.
fn hash(hasher: &FixedState, id: MessageId) -> u64 {
    const NEIGHBOURS: u32 = 3;
    let id = u128::from_be_bytes(*id.as_bytes());
    let (run, place) = (id >> NEIGHBOURS, (id & ((1 << NEIGHBOURS) - 1)) as u64);
    // The table takes the place of a hash from its low bits and tells neighbours apart by the highest seven.
    hasher.hash_one(run).wrapping_add(place) ^ (place << (64 - NEIGHBOURS))
}
