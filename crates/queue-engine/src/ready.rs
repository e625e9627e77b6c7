use forebay_queue_core::{Throttle, ThrottleKey, Timestamp};
use slab::Slab;

use crate::entry::{Entry, Slot, Wait};
use crate::lanes::Lanes;
use crate::list::{List, PLACE};
use crate::ring::{Member, Ring, after_turn};
use crate::throttles::Throttles;

/// What waits to be handed out, and who is next.
///
/// Each fairness key has a line of its own, in which first deliveries come in the order of acceptance, and what comes back
/// joins at the end, so that nothing that is given back at once can keep the others waiting. The keys have turns by their
/// weights. A message whose buckets have no token for it is parked, and comes back with its tokens reserved; a key with as
/// many leases as it may have leaves the ring. Nobody else knows who is next.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// Everything that is ready, the longest first.
    age: List<PLACE>,
    pub(crate) lanes: Lanes,
    /// The lanes that have something to hand out now, as far as is known.
    ring: Ring,
    pub(crate) throttles: Throttles,
}

/// What comes next.
pub(crate) struct Next {
    pub(crate) slot: Slot,
    /// It has ended meanwhile: it had no turn, and took no token.
    pub(crate) is_over: bool,
}

impl Ready {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            age: List::new(),
            lanes: Lanes::new(seed),
            ring: Ring::default(),
            throttles: Throttles::new(seed),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.age.len()
    }

    /// Whether something can be handed out now, as far as is known.
    pub(crate) fn has_next(&self) -> bool {
        self.ring.first().is_some()
    }

    /// Who has been ready longest.
    pub(crate) fn oldest(&self) -> Option<Slot> {
        self.age.first()
    }

    pub(crate) fn push(&mut self, entries: &mut Slab<Entry>, slot: Slot, now: Timestamp) {
        self.age.push_back(entries, slot);
        let entry = &entries[slot as usize];
        let lane = &mut self.lanes[entry.lane];
        // Parked at once where it is the first that would be found to lack a token.
        if lane.line.len() == 0
            && let Some(bucket) = self.throttles.lacking(&entry.message, now)
        {
            self.throttles
                .park(&mut self.lanes, entries, slot, bucket, now);
            return;
        }
        let member = entry.lane;
        entries[slot as usize].wait = Wait::Turn;
        self.lanes[member].line.push_back(entries, slot);
        self.refresh(entries, member, now);
    }

    /// Takes out who is next.
    pub(crate) fn pop(&mut self, entries: &mut Slab<Entry>, now: Timestamp) -> Option<Next> {
        loop {
            let member = self.ring.first()?;
            let lane = &self.lanes[member];
            // The lane is in the ring because it has one of both.
            let slot = lane.granted.first().or_else(|| lane.line.first())?;
            let entry = &entries[slot as usize];
            if entry.expires_at().is_some_and(|at| at <= now) {
                self.remove(entries, slot, now);
                return Some(Next {
                    slot,
                    is_over: true,
                });
            }
            if entry.wait == Wait::Turn
                && let Some(bucket) = self.throttles.lacking(&entry.message, now)
            {
                self.lanes[member].line.remove(entries, slot);
                self.throttles
                    .park(&mut self.lanes, entries, slot, bucket, now);
                self.refresh(entries, member, now);
                continue;
            }
            self.hand_out(entries, slot, now);
            return Some(Next {
                slot,
                is_over: false,
            });
        }
    }

    /// Takes this one out, whose turn it is or not.
    pub(crate) fn take(&mut self, entries: &mut Slab<Entry>, slot: Slot, now: Timestamp) {
        let member = entries[slot as usize].lane;
        // Out of turn only for a model that follows the order of a store.
        let mut tag = self.lanes[member].tag;
        self.ring.join(member, &mut tag);
        self.lanes[member].tag = tag;
        if let Wait::Token(bucket) = entries[slot as usize].wait {
            self.throttles
                .unpark(&mut self.lanes, entries, slot, bucket);
            self.lanes[member].line.push_back(entries, slot);
            entries[slot as usize].wait = Wait::Turn;
        }
        self.hand_out(entries, slot, now);
    }

    fn hand_out(&mut self, entries: &mut Slab<Entry>, slot: Slot, now: Timestamp) {
        let member = entries[slot as usize].lane;
        let lane = &mut self.lanes[member];
        if entries[slot as usize].wait == Wait::Granted {
            lane.granted.remove(entries, slot);
            self.throttles.spend(slot, now);
        } else {
            lane.line.remove(entries, slot);
            lane.owes_line = false;
            self.throttles.take(&entries[slot as usize].message);
        }
        self.age.remove(entries, slot);
        self.ring.turn(member, &mut lane.tag, lane.weight);
        lane.leased += 1;
        self.refresh(entries, member, now);
        while let Some(member) = self.ring.forget() {
            self.lanes.forgotten(member);
        }
    }

    /// A lease has ended.
    pub(crate) fn lease_over(&mut self, entries: &mut Slab<Entry>, lane: Member, now: Timestamp) {
        self.lanes[lane].leased -= 1;
        self.refresh(entries, lane, now);
    }

    /// Takes out one that will not be handed out.
    pub(crate) fn remove(&mut self, entries: &mut Slab<Entry>, slot: Slot, now: Timestamp) {
        let entry = &entries[slot as usize];
        let member = entry.lane;
        match entry.wait {
            Wait::Turn => self.lanes[member].line.remove(entries, slot),
            Wait::Granted => {
                self.lanes[member].granted.remove(entries, slot);
                self.throttles.refund(slot, now);
            }
            Wait::Token(bucket) => {
                self.throttles
                    .unpark(&mut self.lanes, entries, slot, bucket);
            }
        }
        self.age.remove(entries, slot);
        self.refresh(entries, member, now);
    }

    /// Looks at buckets that have tokens again, as many as `budget` messages; answers whether that was all.
    pub(crate) fn refill(
        &mut self,
        entries: &mut Slab<Entry>,
        now: Timestamp,
        budget: usize,
    ) -> bool {
        let mut left = budget;
        while left > 0 {
            let Some(bucket) = self.throttles.pop_due(now) else {
                return true;
            };
            self.grant(entries, bucket, now, &mut left);
        }
        self.throttles.first_due().is_none_or(|at| at > now)
    }

    /// Whether a lane can hand something out has perhaps changed.
    pub(crate) fn refresh(&mut self, entries: &mut Slab<Entry>, member: Member, now: Timestamp) {
        loop {
            let lane = &mut self.lanes[member];
            if !lane.has_room() || (lane.owes_line && lane.line.len() > 0) {
                break;
            }
            let Some((bucket, serial)) = lane.missed.pop_front() else {
                break;
            };
            if self.throttles.return_to(bucket, serial, member) {
                let before = self.lanes[member].granted.len();
                let mut budget = usize::MAX;
                self.grant(entries, bucket, now, &mut budget);
                let lane = &mut self.lanes[member];
                lane.owes_line = lane.granted.len() > before;
            }
        }
        self.seat(member);
    }

    /// The limit of a lane has changed: those who have tokens and no room any more wait again, the last first.
    pub(crate) fn limit_changed(
        &mut self,
        entries: &mut Slab<Entry>,
        member: Member,
        now: Timestamp,
    ) {
        while self.lanes[member].is_over()
            && let Some(slot) = self.lanes[member].granted.last()
        {
            self.revoke(entries, slot, now);
        }
        self.refresh(entries, member, now);
    }

    /// Sets or removes a bucket; `false` where there are too many. Tokens that were reserved by another rule are given anew.
    #[must_use]
    pub(crate) fn set_throttle(
        &mut self,
        entries: &mut Slab<Entry>,
        key: &ThrottleKey,
        throttle: Option<Throttle>,
        now: Timestamp,
    ) -> bool {
        let slots = self.throttles.holders(entries, key);
        for slot in &slots {
            self.revoke(entries, *slot, now);
        }
        let is_set = self.throttles.set(key, throttle, now);
        for slot in slots {
            let member = entries[slot as usize].lane;
            self.refresh(entries, member, now);
        }
        is_set
    }

    /// Takes reserved tokens back. At the end of its line the message finds its buckets again when it comes up.
    fn revoke(&mut self, entries: &mut Slab<Entry>, slot: Slot, now: Timestamp) {
        self.throttles.refund(slot, now);
        let lane = &mut self.lanes[entries[slot as usize].lane];
        lane.granted.remove(entries, slot);
        lane.line.push_back(entries, slot);
        entries[slot as usize].wait = Wait::Turn;
    }

    fn seat(&mut self, member: Member) {
        let lane = &mut self.lanes[member];
        if lane.granted.len() > 0 || (lane.line.len() > 0 && lane.has_room()) {
            self.ring.join(member, &mut lane.tag);
        } else {
            self.ring.leave(member, &mut lane.tag);
        }
    }

    fn grant(
        &mut self,
        entries: &mut Slab<Entry>,
        bucket: Member,
        now: Timestamp,
        budget: &mut usize,
    ) {
        let granted = self
            .throttles
            .grant(&mut self.lanes, entries, bucket, now, budget);
        for member in granted {
            self.seat(member);
        }
    }

    /// The first `limit` in the order in which they would be handed out, if nothing came, ended or was refilled; then those
    /// that would not.
    pub(crate) fn preview(&self, entries: &Slab<Entry>, limit: usize) -> Vec<Slot> {
        let mut order = std::collections::BTreeMap::new();
        for (at, member) in self.ring.order().take(limit) {
            let lane = &self.lanes[member];
            let granted: Vec<Slot> = lane.granted.iter(entries).take(limit).collect();
            let slots = granted.into_iter().chain(lane.line.iter(entries));
            order.insert((at, member), slots);
        }
        let mut preview = Vec::new();
        while preview.len() < limit
            && let Some(((at, member), mut slots)) = order.pop_first()
        {
            if let Some(slot) = slots.next() {
                preview.push(slot);
                order.insert((after_turn(at, self.lanes[member].weight), member), slots);
            }
        }
        if preview.len() < limit.min(self.len()) {
            let known: std::collections::BTreeSet<Slot> = preview.iter().copied().collect();
            let others = self.age.iter(entries).filter(|slot| !known.contains(slot));
            preview.extend(others.take(limit - known.len()));
        }
        preview
    }
}
