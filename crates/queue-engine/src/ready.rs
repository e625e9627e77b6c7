use slab::Slab;

use crate::entry::{Entry, Slot};
use crate::list::List;

/// What waits to be handed out, in the order in which it will be.
///
/// Today one line for all: first deliveries come in the order of acceptance, and what comes back joins at the
/// end, so that nothing that is given back at once can keep the others waiting. This is the place where
/// fairness keys get lines of their own; nobody else knows who is next.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    line: List,
}

impl Ready {
    pub(crate) const fn new() -> Self {
        Self { line: List::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.line.len()
    }

    pub(crate) fn push(&mut self, entries: &mut Slab<Entry>, slot: Slot) {
        self.line.push_back(entries, slot);
    }

    /// Who is next, and takes it out.
    pub(crate) fn pop(&mut self, entries: &mut Slab<Entry>) -> Option<Slot> {
        let slot = self.line.first()?;
        self.line.remove(entries, slot);
        Some(slot)
    }

    pub(crate) fn remove(&mut self, entries: &mut Slab<Entry>, slot: Slot) {
        self.line.remove(entries, slot);
    }

    /// Who has been ready longest.
    pub(crate) fn oldest(&self) -> Option<Slot> {
        self.line.first()
    }

    pub(crate) fn iter<'a>(
        &self,
        entries: &'a Slab<Entry>,
    ) -> impl Iterator<Item = Slot> + use<'a> {
        self.line.iter(entries)
    }
}
