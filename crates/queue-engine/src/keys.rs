use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foldhash::fast::FixedState;
use forebay_queue_core::{Fingerprint, IdempotencyKey, MessageId, Timestamp};
use hashbrown::HashMap;
use sha2::{Digest, Sha256};

/// The first half of a SHA-256: the key itself is not kept.
pub(crate) type KeyHash = [u8; 16];

pub(crate) fn hash(key: &IdempotencyKey) -> KeyHash {
    let digest = Sha256::digest(key.as_str().as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// What an idempotency key stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) id: MessageId,
    pub(crate) fingerprint: Option<Fingerprint>,
    until: Timestamp,
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
        id: MessageId,
        fingerprint: Option<Fingerprint>,
        now: Timestamp,
        until: Timestamp,
    ) {
        if until <= now {
            return;
        }
        let ends = &mut self.ends;
        let known = self.known.entry(hash).or_insert_with(|| {
            ends.push(Reverse((until, hash)));
            Known {
                id,
                fingerprint,
                until,
            }
        });
        if known.id == id {
            known.until = known.until.max(until);
        } else if known.until <= now {
            *known = Known {
                id,
                fingerprint,
                until,
            };
        }
    }

    /// Forgets keys whose window has ended, at most `budget` steps. Answers whether it got through.
    pub(crate) fn expire(&mut self, now: Timestamp, budget: usize) -> bool {
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
                    self.known.remove(&hash);
                }
            }
        }
        false
    }
}
