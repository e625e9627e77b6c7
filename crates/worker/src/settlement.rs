use std::time::Duration;

use forebay_queue_core::{Kind, MessageId, NackAction, ProcessOutcome};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ledger::{Fetched, Key};
use crate::verdict::Verdict;

/// How one delivery is to be settled.
pub(crate) struct Settlement {
    pub(crate) key: Key,
    pub(crate) answer: Answer,
    pub(crate) note: Note,
}

pub(crate) enum Answer {
    Ack,
    Nack {
        action: NackAction,
        cause: Option<Box<str>>,
    },
    /// Nothing to answer: the lease is lost, or its slot broke.
    Drop,
}

/// What the observers are told once it is settled.
pub(crate) struct Note {
    pub(crate) id: MessageId,
    pub(crate) kind: Kind,
    pub(crate) attempt: u32,
    pub(crate) outcome: ProcessOutcome,
    pub(crate) elapsed: Option<Duration>,
}

impl Settlement {
    /// Gives back what was not started.
    pub(crate) fn released(fetched: &Fetched) -> Self {
        let Verdict { answer, outcome } = Verdict::released();
        let message = &fetched.delivery.message;
        Self {
            key: fetched.key,
            answer,
            note: Note {
                id: message.id(),
                kind: message.kind().clone(),
                attempt: fetched.delivery.attempt,
                outcome,
                elapsed: None,
            },
        }
    }
}

/// Where slots leave what is to be settled.
#[derive(Default)]
pub(crate) struct Outbox {
    // Held for a push or a swap.
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    settlements: Vec<Settlement>,
    closed: bool,
}

impl Outbox {
    /// Adds settlements; takes them out of the list. Says whether the settler was woken for it.
    pub(crate) fn push(&self, settlements: &mut Vec<Settlement>) -> bool {
        if settlements.is_empty() {
            return false;
        }
        let mut waiting = self.waiting.lock();
        let first = waiting.settlements.is_empty();
        waiting.settlements.append(settlements);
        drop(waiting);
        if first {
            self.changed.notify_one();
        }
        first
    }

    /// After what is waiting there will be no more.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits until there is something; `false` when there will be nothing more.
    pub(crate) async fn ready(&self) -> bool {
        loop {
            {
                let waiting = self.waiting.lock();
                if !waiting.settlements.is_empty() {
                    return true;
                }
                if waiting.closed {
                    return false;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Swaps everything that waits with an empty list.
    pub(crate) fn take(&self, into: &mut Vec<Settlement>) {
        std::mem::swap(&mut self.waiting.lock().settlements, into);
    }
}
