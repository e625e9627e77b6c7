use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use forebay_queue_core::MessageId;
use hashbrown::HashTable;
use slab::Slab;

use crate::entry::{Entry, Slot};

/// Finds live messages by id.
///
/// Ids are made in order, so nearly all of them come in order, and stand in a line that is sorted by itself: to add one is
/// a push, and to lose one is nothing. Of a long queue, a table would cost a cache miss each time. It is there for ids that
/// come out of order: from the dead letters, or made up by the publisher.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// In order of id; also messages that have left, until they are in front or too many.
    line: VecDeque<Place>,
    table: HashTable<Slot>,
    hasher: FixedState,
}

/// Where the message of an id is, if it is the one with this sequence that is there.
#[derive(Clone, Copy, Debug)]
struct Place {
    id: MessageId,
    sequence: u64,
    slot: Slot,
}

/// How far from the end of the line an id may join: publishers make ids at the same time, and one is first.
const NEAR: usize = 32;

impl Index {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            line: VecDeque::new(),
            table: HashTable::new(),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn find(&self, entries: &Slab<Entry>, id: MessageId) -> Option<Slot> {
        let later = self.later(id);
        let upto = if later < NEAR {
            self.line.len() - later
        } else {
            self.line.partition_point(|place| place.id <= id)
        };
        let last = upto.checked_sub(1).map(|place| self.line[place]);
        if let Some(place) = last.filter(|place| place.id == id && place.is_live(entries)) {
            return Some(place.slot);
        }
        let same = |slot: &Slot| entries[*slot as usize].message.id() == id;
        self.table.find(self.hasher.hash_one(id), same).copied()
    }

    /// Adds an entry that has just got its slot and its sequence.
    pub(crate) fn insert(&mut self, entries: &Slab<Entry>, slot: Slot) {
        let id_of = |slot: Slot| entries[slot as usize].message.id();
        let id = id_of(slot);
        let sequence = entries[slot as usize].sequence;
        let later = self.later(id);
        let place = self.line.len() - later;
        let fits = later < NEAR && (place == 0 || self.line[place - 1].id < id);
        if fits {
            self.line.insert(place, Place { id, sequence, slot });
        } else {
            let hasher = &self.hasher;
            let rehash = |slot: &Slot| hasher.hash_one(id_of(*slot));
            self.table.insert_unique(hasher.hash_one(id), slot, rehash);
        }
    }

    /// Forgets an entry that has just left its slot.
    pub(crate) fn remove(&mut self, entries: &Slab<Entry>, entry: &Entry, slot: Slot) {
        if !self.table.is_empty() {
            let hash = self.hasher.hash_one(entry.message.id());
            if let Ok(found) = self.table.find_entry(hash, |s| *s == slot) {
                found.remove();
                return;
            }
        }
        while self.line.front().is_some_and(|p| !p.is_live(entries)) {
            self.line.pop_front();
        }
        let live = entries.len() - self.table.len();
        if self.line.len() > 2 * live + NEAR {
            self.line.retain(|place| place.is_live(entries));
        }
    }

    /// Gives memory back after a great deal of it has become free.
    pub(crate) fn reset(&mut self) {
        self.line = VecDeque::new();
        self.table = HashTable::new();
    }

    /// How many at the end of the line have a later id, [`NEAR`] at most.
    fn later(&self, id: MessageId) -> usize {
        let last = self.line.iter().rev().take(NEAR);
        last.take_while(|place| place.id > id).count()
    }
}

impl Place {
    fn is_live(&self, entries: &Slab<Entry>) -> bool {
        let entry = entries.get(self.slot as usize);
        entry.is_some_and(|entry| entry.sequence == self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forebay_queue_core::{Kind, Message, NewMessage, Timestamp};

    use super::*;

    /// Entries with an index, as the engine keeps them.
    struct Pile {
        entries: Slab<Entry>,
        index: Index,
        sequence: u64,
    }

    impl Pile {
        fn new() -> Self {
            Self {
                entries: Slab::new(),
                index: Index::new(1),
                sequence: 0,
            }
        }

        fn add(&mut self, id: u128) -> Slot {
            let new = NewMessage::new(Kind::from_static("job"), "");
            let message = Message::accept(new, name(id), Timestamp::ZERO);
            self.sequence += 1;
            let entry = Entry::new(Arc::new(message), self.sequence);
            let slot = Slot::try_from(self.entries.insert(entry)).unwrap();
            self.index.insert(&self.entries, slot);
            slot
        }

        fn take(&mut self, slot: Slot) {
            let entry = self.entries.remove(slot as usize);
            self.index.remove(&self.entries, &entry, slot);
        }

        fn find(&self, id: u128) -> Option<Slot> {
            self.index.find(&self.entries, name(id))
        }
    }

    fn name(id: u128) -> MessageId {
        MessageId::from_bytes(id.to_be_bytes())
    }

    /// Numbers in order, somewhat out of order, and in reverse.
    fn orders() -> [Vec<u128>; 4] {
        let near = (0..1_000).map(|n| n ^ 5).collect();
        let far = (0..1_000).map(|n| n * 389 % 1_000).collect();
        [(0..1_000).collect(), near, far, (0..1_000).rev().collect()]
    }

    #[test]
    fn every_live_id_is_found_and_no_other_in_whatever_order_they_come_and_go() {
        for coming in orders() {
            for going in orders() {
                let mut pile = Pile::new();
                let slots: Vec<_> = coming.iter().map(|id| (*id, pile.add(*id))).collect();
                let slot_of = |id| slots.iter().find(|(i, _)| *i == id).map(|(_, s)| *s);
                for (gone, id) in going.iter().enumerate() {
                    assert_eq!(pile.find(*id), slot_of(*id));
                    pile.take(slot_of(*id).unwrap());
                    assert_eq!(pile.find(*id), None);
                    let next = going.get(gone + 1).copied();
                    assert_eq!(next.and_then(|id| pile.find(id)), next.and_then(slot_of));
                }
                assert_eq!(pile.find(1_000), None);
                assert_eq!((pile.index.line.len(), pile.index.table.len()), (0, 0));
            }
        }
    }

    #[test]
    fn an_id_that_comes_back_is_found_where_it_is_now() {
        let mut pile = Pile::new();
        let first = pile.add(1);
        let slots: Vec<_> = (2..100).map(|id| pile.add(id)).collect();
        for (id, slot) in (2..100).zip(slots) {
            pile.take(slot);
            let back = pile.add(id);
            assert_eq!(pile.find(id), Some(back));
            pile.take(back);
            assert_eq!(pile.find(id), None);
        }
        assert_eq!(pile.find(1), Some(first));
    }

    #[test]
    fn one_that_stays_does_not_keep_the_places_of_those_that_leave() {
        let mut pile = Pile::new();
        pile.add(0);
        for id in 1..10_000 {
            let slot = pile.add(id);
            pile.take(slot);
            assert!(pile.index.line.len() <= 2 * NEAR);
        }
        assert!(pile.find(0).is_some());
    }
}
