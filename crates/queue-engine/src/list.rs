use slab::Slab;

use crate::entry::{Entry, Links, NIL, Slot};

/// The links for the place of an entry: ready, or one class of leases.
pub(crate) const PLACE: usize = 0;
/// The links for what a ready entry waits for: its turn, or a token.
pub(crate) const WAITING: usize = 1;

/// A doubly linked list through the entries themselves: every operation is O(1) and none allocates.
#[derive(Clone, Debug)]
pub(crate) struct List<const LINKS: usize> {
    head: Slot,
    tail: Slot,
    len: usize,
}

impl<const LINKS: usize> List<LINKS> {
    pub(crate) const fn new() -> Self {
        Self {
            head: NIL,
            tail: NIL,
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn first(&self) -> Option<Slot> {
        (self.head != NIL).then_some(self.head)
    }

    pub(crate) fn last(&self) -> Option<Slot> {
        (self.tail != NIL).then_some(self.tail)
    }

    pub(crate) fn push_back(&mut self, entries: &mut Slab<Entry>, slot: Slot) {
        entries[slot as usize].links[LINKS] = Links {
            previous: self.tail,
            next: NIL,
        };
        match self.tail {
            NIL => self.head = slot,
            tail => entries[tail as usize].links[LINKS].next = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, entries: &mut Slab<Entry>, slot: Slot) {
        let Links { previous, next } =
            std::mem::replace(&mut entries[slot as usize].links[LINKS], Links::NONE);
        match previous {
            NIL => self.head = next,
            previous => entries[previous as usize].links[LINKS].next = next,
        }
        match next {
            NIL => self.tail = previous,
            next => entries[next as usize].links[LINKS].previous = previous,
        }
        self.len -= 1;
    }

    pub(crate) fn iter<'a>(
        &self,
        entries: &'a Slab<Entry>,
    ) -> impl Iterator<Item = Slot> + use<'a, LINKS> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let slot = (at != NIL).then_some(at)?;
            at = entries[slot as usize].links[LINKS].next;
            Some(slot)
        })
    }
}
