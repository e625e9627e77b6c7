use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use forebay_queue_core::{Message, Rule, Throttle, ThrottleKey, Timestamp};
use hashbrown::HashMap;
use slab::Slab;

use crate::bucket::{Bucket, Waiting};
use crate::change::{Change, Level};
use crate::entry::{Entry, Slot, Wait};
use crate::lanes::Lanes;
use crate::ring::Member;

/// A bucket and its serial.
type Taken = (Member, u64);

/// Every token bucket, and the messages that wait for tokens.
#[derive(Clone, Debug)]
pub(crate) struct Throttles {
    buckets: Slab<Bucket>,
    by_key: HashMap<ThrottleKey, Member, FixedState>,
    /// When a bucket is looked at: it has a token for somebody who waits.
    due: BTreeSet<(Timestamp, Member)>,
    /// Of whom the messages with reserved tokens have them.
    reserved: HashMap<Slot, Vec<Taken>, FixedState>,
    next_serial: u64,
    /// Which buckets have changed since this was asked last, where anybody asks.
    changed: Option<BTreeSet<ThrottleKey>>,
}

impl Throttles {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            buckets: Slab::new(),
            by_key: HashMap::with_hasher(FixedState::with_seed(seed)),
            due: BTreeSet::new(),
            reserved: HashMap::with_hasher(FixedState::with_seed(seed)),
            next_serial: 0,
            changed: None,
        }
    }

    pub(crate) fn record_changes(&mut self) {
        self.changed.get_or_insert_default();
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_changes(&mut self, changes: &mut Vec<Change>) {
        let keys = self.changed.as_mut().map(std::mem::take);
        for key in keys.unwrap_or_default() {
            let bucket = self.by_key.get(&key);
            let level = bucket.and_then(|member| self.buckets[*member as usize].state());
            changes.push(Change::Bucket { key, level });
        }
    }

    /// A bucket of an earlier life of the queue.
    pub(crate) fn restore(&mut self, key: &ThrottleKey, level: &Level) {
        let bucket = Bucket::restored(key.clone(), level, self.next_serial);
        self.next_serial += 1;
        // Rule::MOST is far below that.
        let member = Member::try_from(self.buckets.insert(bucket)).unwrap_or(Member::MAX);
        self.by_key.insert(key.clone(), member);
    }

    fn note(&mut self, member: Member) {
        if let Some(changed) = &mut self.changed {
            changed.insert(self.buckets[member as usize].key.clone());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().map(|(_, bucket)| bucket)
    }

    pub(crate) fn get(&self, bucket: Member) -> &Bucket {
        &self.buckets[bucket as usize]
    }

    /// Lets time pass for every bucket, for answers that have to be exact.
    pub(crate) fn refill_all(&mut self, now: Timestamp) {
        for (_, bucket) in &mut self.buckets {
            bucket.refill(now);
        }
    }

    /// Sets or removes a bucket; `false` where there are too many.
    #[must_use]
    pub(crate) fn set(
        &mut self,
        key: &ThrottleKey,
        throttle: Option<Throttle>,
        now: Timestamp,
    ) -> bool {
        if let Some(bucket) = self.by_key.get(key).copied() {
            self.buckets[bucket as usize].set(throttle, now);
            self.note(bucket);
            // Removes it when the last who waits has been let go.
            self.look_at(bucket, now);
            return true;
        }
        let Some(throttle) = throttle else {
            return true;
        };
        if self.buckets.len() >= Rule::MOST {
            return false;
        }
        let bucket = Bucket::new(key.clone(), throttle, self.next_serial, now);
        self.next_serial += 1;
        // Rule::MOST is far below that.
        let member = Member::try_from(self.buckets.insert(bucket)).unwrap_or(Member::MAX);
        self.by_key.insert(key.clone(), member);
        self.note(member);
        true
    }

    /// The buckets of a message. A key that stands twice is one.
    fn of<'a>(&'a self, message: &'a Message) -> impl Iterator<Item = Member> + 'a {
        let keys = message.throttle_keys();
        let fresh = |(place, key): &(usize, &ThrottleKey)| !keys[..*place].contains(key);
        let fresh = keys.iter().enumerate().filter(fresh);
        fresh.filter_map(|(_, key)| self.by_key.get(key).copied())
    }

    /// The first bucket that has no token for a message that has just come up: none at all, or others wait for it.
    pub(crate) fn lacking(&mut self, message: &Message, now: Timestamp) -> Option<Member> {
        if self.buckets.is_empty() || message.throttle_keys().is_empty() {
            return None;
        }
        for key in message.throttle_keys() {
            if let Some(member) = self.by_key.get(key).copied() {
                let bucket = &mut self.buckets[member as usize];
                bucket.refill(now);
                if bucket.tokens() == 0 || (bucket.parked > 0 && bucket.throttle.is_some()) {
                    return Some(member);
                }
            }
        }
        None
    }

    /// The first bucket that has no token for a message that waits for its turn, to say so.
    pub(crate) fn would_lack(&mut self, message: &Message, now: Timestamp) -> Option<&Bucket> {
        let bucket = self.lacking(message, now)?;
        Some(self.get(bucket))
    }

    /// Takes the tokens of a message that had none reserved.
    pub(crate) fn take(&mut self, message: &Message) {
        if !self.buckets.is_empty() {
            for member in self.of(message).collect::<Vec<_>>() {
                self.buckets[member as usize].take();
                self.note(member);
            }
        }
    }

    /// A message with reserved tokens has been handed out.
    pub(crate) fn spend(&mut self, slot: Slot, now: Timestamp) {
        for (member, serial) in self.reserved.remove(&slot).unwrap_or_default() {
            if let Some(bucket) = self.known(member, serial) {
                // While it was reserved the bucket had no room for another in its stead.
                bucket.refill(now);
                bucket.spend();
                self.note(member);
            }
        }
    }

    /// A message with reserved tokens will not be handed out.
    pub(crate) fn refund(&mut self, slot: Slot, now: Timestamp) {
        for (member, serial) in self.reserved.remove(&slot).unwrap_or_default() {
            if let Some(bucket) = self.known(member, serial) {
                bucket.refill(now);
                bucket.refund();
                if bucket.parked > 0 {
                    self.look_at(member, now);
                }
            }
        }
    }

    /// Who has tokens reserved and names this key.
    pub(crate) fn holders(&self, entries: &Slab<Entry>, key: &ThrottleKey) -> BTreeSet<Slot> {
        let names = |slot: &&Slot| {
            let message = &entries[**slot as usize].message;
            message.throttle_keys().contains(key)
        };
        self.reserved.keys().filter(names).copied().collect()
    }

    fn known(&mut self, member: Member, serial: u64) -> Option<&mut Bucket> {
        let bucket = self.buckets.get_mut(member as usize);
        bucket.filter(|bucket| bucket.serial == serial)
    }

    /// A message waits for a token of this bucket from now on. It is in no line.
    pub(crate) fn park(
        &mut self,
        lanes: &mut Lanes,
        entries: &mut Slab<Entry>,
        slot: Slot,
        member: Member,
        now: Timestamp,
    ) {
        let lane = entries[slot as usize].lane;
        entries[slot as usize].wait = Wait::Token(member);
        lanes[lane].parked += 1;
        let bucket = &mut self.buckets[member as usize];
        bucket.parked += 1;
        let waiting = bucket.waiting.entry(lane).or_insert_with(Waiting::new);
        waiting.line.push_back(entries, slot);
        if !waiting.has_missed {
            bucket.ring.join(lane, &mut waiting.tag);
        }
        if bucket.due.is_none() {
            let at = bucket.next_token().max(now);
            self.look_at(member, at);
        }
    }

    /// Takes a parked message out.
    pub(crate) fn unpark(
        &mut self,
        lanes: &mut Lanes,
        entries: &mut Slab<Entry>,
        slot: Slot,
        member: Member,
    ) {
        let lane = entries[slot as usize].lane;
        lanes[lane].parked -= 1;
        let bucket = &mut self.buckets[member as usize];
        bucket.parked -= 1;
        if let Some(waiting) = bucket.waiting.get_mut(&lane) {
            waiting.line.remove(entries, slot);
            if waiting.line.len() == 0 {
                bucket.ring.leave(lane, &mut waiting.tag);
            }
        }
        if bucket.parked == 0 && bucket.throttle.is_none() {
            let now = bucket.due.unwrap_or_default();
            self.look_at(member, now);
        }
    }

    /// A lane that had missed a token of this bucket has room again; `false` where that is no matter any more.
    pub(crate) fn return_to(&mut self, member: Member, serial: u64, lane: Member) -> bool {
        let Some(bucket) = self.known(member, serial) else {
            return false;
        };
        let Some(waiting) = bucket.waiting.get_mut(&lane) else {
            return false;
        };
        waiting.has_missed = false;
        if waiting.line.len() == 0 {
            return false;
        }
        bucket.ring.join(lane, &mut waiting.tag);
        true
    }

    /// When the first bucket is looked at.
    pub(crate) fn first_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A bucket that is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Member> {
        let (at, member) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        self.buckets[member as usize].due = None;
        Some(member)
    }

    fn look_at(&mut self, member: Member, at: Timestamp) {
        let bucket = &mut self.buckets[member as usize];
        if let Some(planned) = bucket.due.replace(at) {
            self.due.remove(&(planned, member));
        }
        self.due.insert((at, member));
    }

    /// Reserves the tokens that a bucket has for those who wait, fairly; answers in which lanes they are. Looks at no more
    /// messages than the budget has left.
    pub(crate) fn grant(
        &mut self,
        lanes: &mut Lanes,
        entries: &mut Slab<Entry>,
        member: Member,
        now: Timestamp,
        budget: &mut usize,
    ) -> Vec<Member> {
        let mut granted = Vec::new();
        loop {
            let bucket = &mut self.buckets[member as usize];
            bucket.refill(now);
            let Some(lane) = bucket.ring.first() else {
                break;
            };
            if bucket.tokens() == 0 || *budget == 0 {
                let at = bucket.next_token().max(now);
                self.look_at(member, at);
                break;
            }
            let Some(waiting) = bucket.waiting.get_mut(&lane) else {
                // A lane in the ring has messages that wait.
                break;
            };
            if !lanes[lane].has_room() {
                waiting.has_missed = true;
                bucket.ring.leave(lane, &mut waiting.tag);
                lanes[lane].missed.push_back((member, bucket.serial));
                continue;
            }
            let Some(slot) = waiting.line.first() else {
                bucket.ring.leave(lane, &mut waiting.tag);
                continue;
            };
            *budget -= 1;
            let message = std::sync::Arc::clone(&entries[slot as usize].message);
            let others: Vec<Member> = self.of(&message).filter(|other| *other != member).collect();
            let lacks = |other: &&Member| {
                let bucket = &mut self.buckets[**other as usize];
                bucket.refill(now);
                bucket.tokens() == 0
            };
            if let Some(other) = others.iter().find(lacks) {
                self.unpark(lanes, entries, slot, member);
                self.park(lanes, entries, slot, *other, now);
                continue;
            }
            self.reserve(lanes, entries, slot, member, others);
            granted.push(lane);
        }
        self.tidy(member);
        granted
    }

    fn reserve(
        &mut self,
        lanes: &mut Lanes,
        entries: &mut Slab<Entry>,
        slot: Slot,
        member: Member,
        others: Vec<Member>,
    ) {
        let lane = entries[slot as usize].lane;
        let bucket = &mut self.buckets[member as usize];
        if let Some(waiting) = bucket.waiting.get_mut(&lane) {
            bucket.ring.turn(lane, &mut waiting.tag, lanes[lane].weight);
        }
        self.unpark(lanes, entries, slot, member);
        entries[slot as usize].wait = Wait::Granted;
        lanes[lane].granted.push_back(entries, slot);
        let all = others.into_iter().chain([member]);
        let reserve = |member: Member| {
            let bucket = &mut self.buckets[member as usize];
            bucket.reserve();
            (member, bucket.serial)
        };
        let taken = all.map(reserve).collect();
        self.reserved.insert(slot, taken);
    }

    /// Forgets lanes of which nothing is known any more, and a bucket that was removed and that nobody waits for.
    fn tidy(&mut self, member: Member) {
        let bucket = &mut self.buckets[member as usize];
        while let Some(lane) = bucket.ring.forget() {
            if let Some(waiting) = bucket.waiting.get_mut(&lane) {
                waiting.tag.forgotten();
                if waiting.line.len() == 0 && !waiting.has_missed {
                    bucket.waiting.remove(&lane);
                }
            }
        }
        if bucket.throttle.is_none() && bucket.parked == 0 {
            let bucket = self.buckets.remove(member as usize);
            self.by_key.remove(&bucket.key);
            if let Some(at) = bucket.due {
                self.due.remove(&(at, member));
            }
        }
    }
}
