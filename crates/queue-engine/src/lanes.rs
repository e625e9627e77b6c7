use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use foldhash::fast::FixedState;
use forebay_queue_core::{FairnessKey, Rule, Weight};
use hashbrown::HashMap;
use slab::Slab;

use crate::change::{Change, Share};
use crate::list::{List, WAITING};
use crate::ring::{Member, Tag};

/// The lane of [`FairnessKey::DEFAULT`]: always there.
pub(crate) const DEFAULT_LANE: Member = 0;

/// One fairness key and its messages.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) key: FairnessKey,
    pub(crate) weight: Weight,
    pub(crate) limit: Option<NonZeroU32>,
    /// A rule is set for it.
    pub(crate) has_rule: bool,
    /// Scheduled, ready and leased.
    pub(crate) live: usize,
    pub(crate) leased: u32,
    /// Waiting for a token.
    pub(crate) parked: u64,
    /// Waiting for their turn.
    pub(crate) line: List<WAITING>,
    /// The same with their tokens reserved: they go first.
    pub(crate) granted: List<WAITING>,
    /// Buckets that had a token for it when it had as many leases as it may; the serial tells buckets in one place apart.
    pub(crate) missed: VecDeque<(Member, u64)>,
    /// The last room was for a message that had missed its token: the next is for the line.
    pub(crate) owes_line: bool,
    pub(crate) tag: Tag,
    /// Its place among those that have no messages and are remembered.
    remembered: Option<u64>,
}

impl Lane {
    fn new(key: FairnessKey) -> Self {
        Self {
            key,
            weight: Weight::default(),
            limit: None,
            has_rule: false,
            live: 0,
            leased: 0,
            parked: 0,
            line: List::new(),
            granted: List::new(),
            missed: VecDeque::new(),
            owes_line: false,
            tag: Tag::default(),
            remembered: None,
        }
    }

    fn share(&self) -> Share {
        Share {
            weight: self.weight,
            limit: self.limit,
        }
    }

    /// Ready, parked ones among them.
    pub(crate) fn ready(&self) -> u64 {
        (self.line.len() + self.granted.len()) as u64 + self.parked
    }

    /// Whether another message may be given tokens or be handed out.
    pub(crate) fn has_room(&self) -> bool {
        self.limit
            .is_none_or(|limit| self.taken() < limit.get() as usize)
    }

    /// Whether messages have been given tokens for which there is no room.
    pub(crate) fn is_over(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.taken() > limit.get() as usize)
    }

    fn taken(&self) -> usize {
        self.leased as usize + self.granted.len()
    }
}

/// Every fairness key that has messages, a rule, or a weight to be remembered.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    all: Slab<Lane>,
    by_key: HashMap<FairnessKey, Member, FixedState>,
    rules: usize,
    /// Lanes without messages and rules that have a weight, the longest idle first.
    remembered: BTreeMap<u64, Member>,
    next_idle: u64,
    /// Whose share has changed since this was asked last, with the weight before, where anybody asks.
    changed: Option<Vec<(FairnessKey, Weight)>>,
}

impl Lanes {
    pub(crate) fn new(seed: u64) -> Self {
        let mut lanes = Self {
            all: Slab::new(),
            by_key: HashMap::with_hasher(FixedState::with_seed(seed)),
            rules: 0,
            remembered: BTreeMap::new(),
            next_idle: 0,
            changed: None,
        };
        lanes.add(FairnessKey::DEFAULT);
        lanes
    }

    pub(crate) fn record_changes(&mut self) {
        self.changed.get_or_insert_default();
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_changes(&mut self, changes: &mut Vec<Change>) {
        let keys = self.changed.as_mut().map(std::mem::take);
        for (key, before) in keys.unwrap_or_default() {
            let share = self.find(&key).map(|member| self[member].share());
            let share = share.unwrap_or_default();
            changes.push(Change::Share { key, share, before });
        }
    }

    /// As it was before a message brought another weight.
    pub(crate) fn put_back(&mut self, key: &FairnessKey, weight: Weight) {
        if let Some(member) = self.find(key) {
            self.all[member as usize].weight = weight;
            self.tidy(member);
        }
    }

    fn note(&mut self, member: Member, before: Share) {
        let lane = &self.all[member as usize];
        if lane.share() != before
            && let Some(changed) = &mut self.changed
        {
            changed.push((lane.key.clone(), before.weight));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.all.iter().map(|(_, lane)| lane)
    }

    /// The lane of a message that has just come.
    pub(crate) fn enter(&mut self, key: &FairnessKey, weight: Option<Weight>) -> Member {
        let member = self.find_or_add(key);
        let lane = &mut self.all[member as usize];
        let before = lane.share();
        lane.live += 1;
        lane.weight = weight.unwrap_or(lane.weight);
        if let Some(idle) = lane.remembered.take() {
            self.remembered.remove(&idle);
        }
        self.note(member, before);
        member
    }

    /// A message has gone.
    pub(crate) fn exit(&mut self, member: Member) {
        self.all[member as usize].live -= 1;
        self.tidy(member);
    }

    /// The ring does not know this lane any more.
    pub(crate) fn forgotten(&mut self, member: Member) {
        self.all[member as usize].tag.forgotten();
        self.tidy(member);
    }

    /// Sets or removes a rule; `false` where there are too many.
    #[must_use]
    pub(crate) fn set(&mut self, key: &FairnessKey, change: impl FnOnce(&mut Lane)) -> bool {
        let has_rule = self.find(key).is_some_and(|member| self[member].has_rule);
        if !has_rule && self.rules >= Rule::MOST {
            return false;
        }
        let member = self.find_or_add(key);
        let lane = &mut self.all[member as usize];
        let before = lane.share();
        change(lane);
        let is_rule = lane.limit.is_some() || lane.weight != Weight::default();
        self.rules = self.rules + usize::from(is_rule) - usize::from(lane.has_rule);
        lane.has_rule = is_rule;
        self.note(member, before);
        self.tidy(member);
        true
    }

    pub(crate) fn find(&self, key: &FairnessKey) -> Option<Member> {
        self.by_key.get(key).copied()
    }

    fn find_or_add(&mut self, key: &FairnessKey) -> Member {
        if *key == FairnessKey::DEFAULT {
            return DEFAULT_LANE;
        }
        match self.by_key.get(key) {
            Some(member) => *member,
            None => self.add(key.clone()),
        }
    }

    fn add(&mut self, key: FairnessKey) -> Member {
        let member = self.all.insert(Lane::new(key.clone()));
        // Live messages, rules and remembered weights are all bounded far below that.
        let member = Member::try_from(member).unwrap_or(Member::MAX);
        self.by_key.insert(key, member);
        member
    }

    /// A lane that nothing is known of any more goes; of those that only have a weight, the latest are remembered.
    fn tidy(&mut self, member: Member) {
        let lane = &mut self.all[member as usize];
        if lane.live > 0 || lane.has_rule || member == DEFAULT_LANE || lane.tag.is_known() {
            return;
        }
        if lane.weight == Weight::default() {
            self.remove(member);
        } else if lane.remembered.is_none() {
            lane.remembered = Some(self.next_idle);
            self.remembered.insert(self.next_idle, member);
            self.next_idle += 1;
            if self.remembered.len() > Rule::MOST
                && let Some((_, oldest)) = self.remembered.pop_first()
            {
                self.remove(oldest);
            }
        }
    }

    fn remove(&mut self, member: Member) {
        let lane = self.all.remove(member as usize);
        self.by_key.remove(&lane.key);
        if lane.share() != Share::default()
            && let Some(changed) = &mut self.changed
        {
            changed.push((lane.key, lane.weight));
        }
        if let Some(idle) = lane.remembered {
            self.remembered.remove(&idle);
        }
    }
}

impl Index<Member> for Lanes {
    type Output = Lane;

    fn index(&self, member: Member) -> &Lane {
        &self.all[member as usize]
    }
}

impl IndexMut<Member> for Lanes {
    fn index_mut(&mut self, member: Member) -> &mut Lane {
        &mut self.all[member as usize]
    }
}
