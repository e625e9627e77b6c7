use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::{Delivery, Receipt, SettleOutcome};
use futures_util::future::{AbortHandle, AbortRegistration};
use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Every lease that the worker holds from one queue: prefetched, running, and finished but not settled.
///
/// The fetcher adds in batches, the settler removes in batches, the keeper walks it. A slot comes here only for a handler
/// that waits, which is then worth the lock.
#[derive(Default)]
pub(crate) struct Ledger {
    // Held for a walk over at most concurrency + prefetch entries, never across an await.
    book: Mutex<Book>,
    /// How many of the entries are lost, so that a slot need not take the lock to see that none is.
    lost: AtomicUsize,
    /// An extension is due earlier than the keeper expects.
    pub(crate) extend_earlier: Notify,
    /// A lease ends earlier than the keeper expects.
    pub(crate) expire_earlier: Notify,
}

#[derive(Default)]
struct Book {
    held: Slab<Held>,
    next_serial: u64,
    /// Until when each half of the keeper sleeps; `None` is until it is told.
    extend_planned: Option<Instant>,
    expire_planned: Option<Instant>,
    /// Handlers are to be stopped, also those that begin to wait from now on.
    stopped: bool,
}

struct Held {
    serial: u64,
    receipt: Receipt,
    extend_at: Instant,
    deadline: Instant,
    /// Stops the handler, once it waits.
    abort: Option<AbortHandle>,
    lost: bool,
}

/// Names one entry; a later entry in the same place has another serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: usize,
    serial: u64,
}

/// A lease as the fetcher got it.
pub(crate) struct Fetched {
    pub(crate) key: Key,
    pub(crate) delivery: Delivery,
    pub(crate) received: Instant,
}

/// What is to be extended now, or when that will be.
pub(crate) enum Due {
    Now(Vec<(Key, Receipt)>),
    At(Instant),
    Never,
}

impl Ledger {
    pub(crate) fn len(&self) -> usize {
        self.book.lock().held.len()
    }

    pub(crate) fn insert(&self, deliveries: Vec<Delivery>, received: Instant) -> Vec<Fetched> {
        let mut book = self.book.lock();
        let mut terms_of = None;
        deliveries
            .into_iter()
            .map(|delivery| {
                let lease = delivery.lease;
                let (extend_at, deadline) = match terms_of {
                    Some((same, terms)) if same == lease => terms,
                    // All of one batch have the same lease, or hardly more than one.
                    _ => book.plan(self, terms(received, lease)),
                };
                terms_of = Some((lease, (extend_at, deadline)));
                book.next_serial += 1;
                let serial = book.next_serial;
                let index = book.held.insert(Held {
                    serial,
                    receipt: Receipt::from_bytes(delivery.receipt.as_bytes()),
                    extend_at,
                    deadline,
                    abort: None,
                    lost: false,
                });
                Fetched {
                    key: Key { index, serial },
                    delivery,
                    received,
                }
            })
            .collect()
    }

    /// Removes what was settled, or needs no settling any more.
    pub(crate) fn remove(&self, keys: impl Iterator<Item = Key>) {
        let mut book = self.book.lock();
        for key in keys {
            if book.get(key).is_some() && book.held.remove(key.index).lost {
                self.lost.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// The receipts that settle these; `None` if some lease is lost.
    pub(crate) fn receipts(&self, keys: impl Iterator<Item = Key>) -> Option<Vec<Receipt>> {
        let book = self.book.lock();
        keys.map(|key| book.receipt(key)).collect()
    }

    /// The receipt that settles this; `None` if its lease is lost.
    pub(crate) fn receipt(&self, key: Key) -> Option<Receipt> {
        self.book.lock().receipt(key)
    }

    pub(crate) fn is_lost(&self, key: Key) -> bool {
        self.lost.load(Ordering::Relaxed) > 0
            && self.book.lock().get(key).is_none_or(|held| held.lost)
    }

    /// What stops a handler that waits, when its lease is lost or the worker stops; at once if that has happened.
    pub(crate) fn watch(&self, key: Key) -> AbortRegistration {
        let (abort, registration) = AbortHandle::new_pair();
        let mut book = self.book.lock();
        let stopped = book.stopped;
        match book.get_mut(key) {
            Some(held) if !held.lost && !stopped => held.abort = Some(abort),
            _ => abort.abort(),
        }
        registration
    }

    /// What is due for extension: when something is, also everything that will be within half as long again, so
    /// that leases of one age travel together.
    pub(crate) fn due(&self, now: Instant, lease: Duration) -> Due {
        let mut book = self.book.lock();
        let live = book.held.iter().filter(|(_, held)| !held.lost);
        let Some(first) = live.map(|(_, held)| held.extend_at).min() else {
            book.extend_planned = None;
            return Due::Never;
        };
        if first > now {
            book.extend_planned = Some(first);
            return Due::At(first);
        }
        let horizon = now + lease / 6;
        let due = book
            .held
            .iter()
            .filter(|(_, held)| !held.lost && held.extend_at <= horizon)
            .map(|(index, held)| {
                let serial = held.serial;
                let receipt = Receipt::from_bytes(held.receipt.as_bytes());
                (Key { index, serial }, receipt)
            })
            .collect();
        Due::Now(due)
    }

    /// Notes the answer to an extension that was sent at `sent`; says how many leases turned out to be lost.
    pub(crate) fn extended(
        &self,
        keys: &[(Key, Receipt)],
        outcomes: &[SettleOutcome],
        sent: Instant,
        lease: Duration,
    ) -> usize {
        let mut book = self.book.lock();
        let mut lost = 0;
        for ((key, _), outcome) in keys.iter().zip(outcomes) {
            let Some(held) = book.get_mut(*key) else {
                continue;
            };
            match outcome {
                SettleOutcome::Done => (held.extend_at, held.deadline) = terms(sent, lease),
                SettleOutcome::LeaseLost => lost += usize::from(held.lose()),
            }
        }
        self.lost.fetch_add(lost, Ordering::Relaxed);
        lost
    }

    /// Puts a failed extension off until `at`.
    pub(crate) fn postpone(&self, keys: &[(Key, Receipt)], at: Instant) {
        let mut book = self.book.lock();
        for (key, _) in keys {
            if let Some(held) = book.get_mut(*key) {
                held.extend_at = at;
            }
        }
    }

    /// Gives up every lease whose end has come; says how many, and when the next one ends.
    pub(crate) fn expire(&self, now: Instant) -> (usize, Option<Instant>) {
        let mut book = self.book.lock();
        let mut expired = 0;
        let mut next: Option<Instant> = None;
        for (_, held) in &mut book.held {
            if held.lost {
                continue;
            }
            if held.deadline <= now {
                expired += usize::from(held.lose());
            } else {
                next = Some(next.map_or(held.deadline, |n| n.min(held.deadline)));
            }
        }
        book.expire_planned = next;
        self.lost.fetch_add(expired, Ordering::Relaxed);
        (expired, next)
    }

    /// Stops every handler that still runs. The leases stay held, so that they can be given back.
    pub(crate) fn abort_all(&self) {
        let mut book = self.book.lock();
        book.stopped = true;
        for held in book.held.iter().filter_map(|(_, held)| held.abort.as_ref()) {
            held.abort();
        }
    }
}

impl Book {
    /// Wakes a half of the keeper that would look too late for these terms.
    fn plan(&mut self, ledger: &Ledger, terms: (Instant, Instant)) -> (Instant, Instant) {
        let (extend_at, deadline) = terms;
        if self
            .extend_planned
            .is_none_or(|planned| extend_at < planned)
        {
            self.extend_planned = Some(extend_at);
            ledger.extend_earlier.notify_one();
        }
        if self.expire_planned.is_none_or(|planned| deadline < planned) {
            self.expire_planned = Some(deadline);
            ledger.expire_earlier.notify_one();
        }
        terms
    }

    fn get(&self, key: Key) -> Option<&Held> {
        let held = self.held.get(key.index)?;
        (held.serial == key.serial).then_some(held)
    }

    fn receipt(&self, key: Key) -> Option<Receipt> {
        let held = self.get(key).filter(|held| !held.lost)?;
        Some(Receipt::from_bytes(held.receipt.as_bytes()))
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut Held> {
        let held = self.held.get_mut(key.index)?;
        (held.serial == key.serial).then_some(held)
    }
}

impl Held {
    /// Gives it up; says whether it was not lost before.
    fn lose(&mut self) -> bool {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
        !std::mem::replace(&mut self.lost, true)
    }
}

/// When a lease is extended, and when it counts as lost without an answer. A tenth is left for the way of the
/// hand-out and for clocks that differ: the handler is cancelled within the lease.
fn terms(from: Instant, lease: Duration) -> (Instant, Instant) {
    (from + lease / 3, from + lease - lease / 10)
}
