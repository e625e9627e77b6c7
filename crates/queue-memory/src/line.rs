use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

/// Publishers that wait for room, in order of arrival.
///
/// Not a semaphore: a batch needs as much room as it has new messages, which only the engine can tell, and one that
/// was woken too early must keep its place at the front.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

impl Line {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Joins at the end.
    pub(crate) fn join(&mut self) -> (u64, Arc<Notify>) {
        let ticket = self.next;
        self.next += 1;
        let notify = Arc::new(Notify::new());
        self.waiting.insert(ticket, Arc::clone(&notify));
        (ticket, notify)
    }

    pub(crate) fn leave(&mut self, ticket: u64) {
        self.waiting.remove(&ticket);
    }

    pub(crate) fn is_first(&self, ticket: u64) -> bool {
        self.waiting
            .first_key_value()
            .is_some_and(|(first, _)| *first == ticket)
    }

    /// Lets the first look whether there is room. A wake-up that comes before it waits is kept for it.
    pub(crate) fn wake_first(&self) {
        if let Some((_, notify)) = self.waiting.first_key_value() {
            notify.notify_one();
        }
    }

    pub(crate) fn wake_all(&self) {
        for notify in self.waiting.values() {
            notify.notify_one();
        }
    }
}
