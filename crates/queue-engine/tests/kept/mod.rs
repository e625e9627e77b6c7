//! What is left of a queue when its process ends: its changes, applied in order to rows as a store has them.

use std::collections::BTreeMap;

use forebay_queue_core::{FairnessKey, MessageId, QueueConfig, State, ThrottleKey, Timestamp};
use forebay_queue_engine::{
    Change, Engine, KeyHash, Known, Lease, Level, Live, Over, Restore, Share,
};

#[derive(Default)]
pub(crate) struct Kept {
    live: BTreeMap<MessageId, Live>,
    leases: BTreeMap<MessageId, Lease>,
    dead: BTreeMap<u64, Over>,
    done: BTreeMap<u64, Over>,
    keys: BTreeMap<KeyHash, Known>,
    shares: BTreeMap<String, (FairnessKey, Share)>,
    buckets: BTreeMap<String, (ThrottleKey, Level)>,
    paused: bool,
    dead_dropped: u64,
}

impl Kept {
    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.apply_one(change);
        }
    }

    fn apply_one(&mut self, change: Change) {
        match change {
            Change::Accepted(live) => {
                let known = self.live.insert(live.message.id(), live);
                assert!(known.is_none(), "accepted twice");
            }
            Change::Updated(live) => {
                let known = self.live.insert(live.message.id(), live);
                assert!(known.is_some(), "a change of a message that is not there");
            }
            Change::Leased { id, lease } => {
                assert!(self.live.contains_key(&id));
                let held = self.leases.insert(id, lease);
                assert!(held.is_none(), "leased twice");
            }
            Change::LeaseEnded { id, until } => {
                let lease = self.leases.remove(&id);
                assert_eq!(lease.map(|lease| lease.until), Some(until));
            }
            Change::Removed(message) => self.gone(message.id()),
            Change::Ended { number, over } => {
                self.gone(over.message.id());
                self.archive(over.state).insert(number, over);
            }
            Change::Forgotten {
                number,
                state,
                message,
            } => {
                let over = self.archive(state).remove(&number);
                assert_eq!(over.map(|over| over.message), Some(message));
            }
            Change::Redriven { number, live } => {
                let over = self.dead.remove(&number);
                assert_eq!(over.map(|over| over.message), Some(live.message.clone()));
                self.live.insert(live.message.id(), live);
            }
            Change::KeySet {
                hash,
                known,
                before,
            } => assert_eq!(self.keys.insert(hash, known), before),
            Change::KeyForgotten(hash) => {
                let known = self.keys.remove(&hash);
                assert!(known.is_some(), "an unknown key is forgotten");
            }
            Change::Share { key, share, .. } => {
                let text = key.as_str().to_owned();
                if share == Share::default() {
                    self.shares.remove(&text);
                } else {
                    self.shares.insert(text, (key, share));
                }
            }
            Change::Bucket { key, level } => {
                let text = key.as_str().to_owned();
                match level {
                    Some(level) => drop(self.buckets.insert(text, (key, level))),
                    None => drop(self.buckets.remove(&text)),
                }
            }
            Change::Paused(paused) => self.paused = paused,
            Change::DeadDropped(dropped) => self.dead_dropped = dropped,
        }
    }

    fn gone(&mut self, id: MessageId) {
        assert!(self.live.remove(&id).is_some(), "it was not there");
        assert!(!self.leases.contains_key(&id), "its lease is still there");
    }

    fn archive(&mut self, state: State) -> &mut BTreeMap<u64, Over> {
        match state {
            State::Dead => &mut self.dead,
            _ => &mut self.done,
        }
    }

    /// The queue in its next life.
    pub(crate) fn restore(&mut self, config: QueueConfig, seed: u64, now: Timestamp) -> Engine {
        let mut restore = Restore::new(config, seed);
        self.live.values().cloned().for_each(|l| restore.live(l));
        self.leases
            .iter()
            .for_each(|(id, l)| restore.lease(*id, *l));
        for (number, over) in self.dead.iter().chain(&self.done) {
            restore.over(*number, over.clone());
        }
        self.keys
            .iter()
            .for_each(|(hash, k)| restore.key(*hash, *k));
        self.shares.values().for_each(|(k, s)| restore.share(k, *s));
        self.buckets
            .values()
            .for_each(|(k, l)| restore.bucket(k, l));
        restore.paused(self.paused);
        restore.dead_dropped(self.dead_dropped);
        let mut engine = restore.finish(now);
        self.apply(engine.take_changes());
        engine
    }
}
