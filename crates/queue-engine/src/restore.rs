use std::collections::HashMap;
use std::time::Duration;

use forebay_queue_core::{
    ErrorRecord, FairnessKey, MessageId, QueueConfig, State, ThrottleKey, Timestamp,
};

use crate::archive::Ended;
use crate::change::{KeyHash, Known, Lease, Level, Live, Over, Place, Share};
use crate::engine::Engine;
use crate::entry::{Entry, History, Slot};

/// Makes a queue of what was kept of it, told in any order: what the [`Change`](crate::Change)s of its earlier life have left.
///
/// Leases go on with their ends, their lengths and their tokens, so that receipts stay good; tokens fill buckets as if the
/// queue had been there all the time. What has come due meanwhile is dealt with by the first step.
#[derive(Debug)]
pub struct Restore {
    engine: Engine,
    live: Vec<Live>,
    leases: HashMap<MessageId, Lease>,
}

impl Restore {
    /// `seed` as for [`Engine::new`]; it must differ from all before it.
    pub fn new(config: QueueConfig, seed: u64) -> Self {
        Self {
            engine: Engine::new(config, seed),
            live: Vec::new(),
            leases: HashMap::new(),
        }
    }

    /// A live message.
    pub fn live(&mut self, live: Live) {
        self.live.push(live);
    }

    /// The lease of a message.
    pub fn lease(&mut self, id: MessageId, lease: Lease) {
        self.leases.insert(id, lease);
    }

    /// A message that has ended.
    pub fn over(&mut self, number: u64, over: Over) {
        let archive = match over.state {
            State::Dead => &mut self.engine.dead,
            _ => &mut self.engine.done,
        };
        archive.restore(
            number,
            Ended {
                message: over.message,
                state: over.state,
                attempt: over.attempt,
                at: over.at,
                history: history(over.errors, over.redriven_at),
            },
        );
    }

    /// An idempotency key.
    pub fn key(&mut self, hash: KeyHash, known: Known) {
        self.engine.keys.set(hash, known);
    }

    /// The share of a fairness key.
    pub fn share(&mut self, key: &FairnessKey, share: Share) {
        // More than there may be were never kept.
        let _ = self.engine.ready.lanes.set(key, |lane| {
            lane.weight = share.weight;
            lane.limit = share.limit;
        });
    }

    /// A token bucket.
    pub fn bucket(&mut self, key: &ThrottleKey, level: &Level) {
        self.engine.ready.throttles.restore(key, level);
    }

    /// Whether hand-outs are stopped.
    pub fn paused(&mut self, paused: bool) {
        self.engine.paused = paused;
    }

    /// How many dead letters were dropped in all because there were too many.
    pub fn dead_dropped(&mut self, dropped: u64) {
        self.engine.dead_dropped = dropped;
    }

    /// The queue, which records its changes. Leases of messages that are not there are forgotten.
    pub fn finish(mut self, now: Timestamp) -> Engine {
        let engine = &mut self.engine;
        engine.now = now;
        self.live.sort_unstable_by_key(|live| live.sequence);
        let mut leased = Vec::with_capacity(self.leases.len());
        let mut waiting = Vec::with_capacity(self.live.len());
        for live in self.live {
            let place = live.place;
            let lease = self.leases.get(&live.message.id());
            let sequence = live.sequence;
            let mut entry = Entry::new(live.message, sequence);
            entry.attempt = lease.map_or(live.attempt, |lease| lease.attempt);
            entry.token = lease.map_or(0, |lease| lease.token);
            entry.history = history(live.errors, live.redriven_at);
            let slot = engine.restore(entry, None);
            match (lease, place) {
                (Some(lease), _) => leased.push((lease.until, sequence, slot, lease.length)),
                (None, Place::Scheduled(due)) if due > now => engine.place(slot, due),
                (None, Place::Scheduled(at) | Place::Ready(at)) => {
                    waiting.push((at, sequence, slot, false));
                }
            }
        }
        leased.sort_unstable();
        for (until, sequence, slot, length) in leased {
            engine.restore_lease(slot, until, length);
            if until <= now {
                waiting.push((until, sequence, slot, true));
            }
        }
        engine.record_changes();
        // In the order in which they would have come to stand in line.
        waiting.sort_unstable();
        for (at, _, slot, was_leased) in waiting {
            if was_leased {
                engine.end_lease(slot, at);
            } else {
                engine.place(slot, at);
            }
        }
        self.engine
    }
}

impl Engine {
    fn restore_lease(&mut self, slot: Slot, until: Timestamp, length: Duration) {
        self.leases.restore(&mut self.entries, slot, until, length);
        let lane = self.entry(slot).lane;
        self.ready.lanes[lane].leased += 1;
    }
}

fn history(errors: Vec<ErrorRecord>, redriven_at: Option<Timestamp>) -> Option<Box<History>> {
    let is_empty = errors.is_empty() && redriven_at.is_none();
    (!is_empty).then(|| {
        Box::new(History {
            errors,
            redriven_at,
        })
    })
}
