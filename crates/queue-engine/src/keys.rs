use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foldhash::fast::FixedState;
use forebay_queue_core::{IdempotencyKey, Timestamp};
use hashbrown::HashMap;
use sha2::{Digest, Sha256};

use crate::change::{Change, Journal, KeyHash, Known};

pub(crate) fn hash(key: &IdempotencyKey) -> KeyHash {
    let digest = Sha256::digest(key.as_str().as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// The idempotency keys within their window.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    known: HashMap<KeyHash, Known, FixedState>,
    /// One per key. A key that was renewed meanwhile is put back when its old end comes.
    ends: BinaryHeap<Reverse<(Timestamp, KeyHash)>>,
}

impl Keys {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            known: HashMap::with_hasher(FixedState::with_seed(seed)),
            ends: BinaryHeap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// When the first window may end; a renewed key is counted with its old end.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.ends.peek().map(|Reverse((end, _))| *end)
    }

    /// What a key stands for, if its window lasts at `now`.
    pub(crate) fn get(&self, hash: &KeyHash, now: Timestamp) -> Option<&Known> {
        self.known.get(hash).filter(|known| known.until > now)
    }

    /// A key is accepted, or seen again by a retry, dead-lettering or redrive of its message: the window begins
    /// anew. A key that meanwhile stands for a later message is left to that one.
    pub(crate) fn renew(
        &mut self,
        hash: KeyHash,
        new: Known,
        now: Timestamp,
        journal: &mut Journal,
    ) {
        if new.until <= now {
            return;
        }
        let before = self.known.get(&hash).copied();
        let known = match before {
            None => new,
            Some(known) if known.id == new.id => Known {
                until: known.until.max(new.until),
                ..known
            },
            Some(known) if known.until <= now => new,
            Some(_) => return,
        };
        self.set(hash, known);
        journal.note(|| Change::KeySet {
            hash,
            known,
            before,
        });
    }

    pub(crate) fn set(&mut self, hash: KeyHash, known: Known) {
        if self.known.insert(hash, known).is_none() {
            self.ends.push(Reverse((known.until, hash)));
        }
    }

    /// As it was before it was set.
    pub(crate) fn put_back(&mut self, hash: KeyHash, before: Option<Known>) {
        match before {
            Some(known) => self.set(hash, known),
            // Its end finds nothing when it comes.
            None => drop(self.known.remove(&hash)),
        }
    }

    /// Forgets keys whose window has ended, at most `budget` steps. Answers whether it got through.
    pub(crate) fn expire(&mut self, now: Timestamp, budget: usize, journal: &mut Journal) -> bool {
        for _ in 0..budget {
            match self.ends.peek() {
                Some(Reverse((end, _))) if *end <= now => {}
                _ => return true,
            }
            let Some(Reverse((_, hash))) = self.ends.pop() else {
                return true;
            };
            match self.known.get(&hash) {
                Some(known) if known.until > now => self.ends.push(Reverse((known.until, hash))),
                _ => {
                    if self.known.remove(&hash).is_some() {
                        journal.note(|| Change::KeyForgotten(hash));
                    }
                }
            }
        }
        false
    }
}
