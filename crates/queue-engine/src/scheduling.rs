use std::collections::BTreeMap;

use forebay_queue_core::{
    Cursor, Error, Explanation, KeyStats, MessageId, Page, PageRequest, Reason, Rule,
    ThrottleStats, Timestamp,
};

use crate::browse::foreign_cursor;
use crate::engine::Engine;
use crate::entry::{Place, Slot, Wait};
use crate::lanes::Lane;
use crate::list::{List, WAITING};

/// There are [`Rule::MOST`] rules of this sort already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRules;

impl Engine {
    /// Sets or removes a rule of handing out.
    ///
    /// # Errors
    /// [`TooManyRules`], and nothing has changed. A rule that is there can always be changed.
    pub fn set_rule(&mut self, now: Timestamp, rule: &Rule) -> Result<(), TooManyRules> {
        self.tick(now);
        let ready = &mut self.ready;
        let is_set = match rule {
            Rule::Weight(key, weight) => ready
                .lanes
                .set(key, |lane| lane.weight = weight.unwrap_or_default()),
            Rule::LeaseLimit(key, limit) => {
                let is_set = ready.lanes.set(key, |lane| lane.limit = *limit);
                if let Some(lane) = ready.lanes.find(key) {
                    ready.limit_changed(&mut self.entries, lane, self.now);
                }
                is_set
            }
            Rule::Throttle(key, throttle) => {
                ready.set_throttle(&mut self.entries, key, *throttle, self.now)
            }
            // A rule that is newer than this engine.
            _ => false,
        };
        is_set.then_some(()).ok_or(TooManyRules)
    }

    /// The fairness keys that have live messages or a rule, in the order of their text.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another listing.
    pub fn key_stats(
        &mut self,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<KeyStats>, Error> {
        self.settle_time(now);
        let lanes = self.ready.lanes.iter().filter(|lane| lane.is_of_interest());
        page_by_text(
            b'f',
            page,
            lanes,
            |lane| lane.key.as_str(),
            |lane| lane.stats(),
        )
    }

    /// The token buckets, in the order of their keys' text.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another listing.
    pub fn throttle_stats(
        &mut self,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<ThrottleStats>, Error> {
        self.settle_time(now);
        self.ready.throttles.refill_all(self.now);
        let buckets = self.ready.throttles.iter();
        let buckets = buckets.filter_map(|bucket| Some((bucket, bucket.throttle?)));
        page_by_text(
            b't',
            page,
            buckets,
            |(bucket, _)| bucket.key.as_str(),
            |(bucket, throttle)| ThrottleStats {
                key: bucket.key.clone(),
                throttle: *throttle,
                tokens: bucket.tokens(),
                parked: bucket.parked,
            },
        )
    }

    /// Why a message is not being worked on.
    pub fn explain(&mut self, now: Timestamp, id: MessageId) -> Option<Explanation> {
        let message = self.get(now, id)?;
        let mut explanation = Explanation::of(&message, self.paused);
        if let Some(slot) = self.index.find(&self.entries, id)
            && matches!(self.entry(slot).place, Place::Ready(_))
        {
            self.explain_ready(slot, &mut explanation.reasons);
        }
        Some(explanation)
    }

    fn explain_ready(&mut self, slot: Slot, reasons: &mut Vec<Reason>) {
        let entry = &self.entries[slot as usize];
        let throttles = &mut self.ready.throttles;
        let bucket = match entry.wait {
            Wait::Granted => None,
            Wait::Turn => throttles.would_lack(&entry.message, self.now),
            Wait::Token(bucket) => Some(throttles.get(bucket)),
        };
        reasons.extend(bucket.map(|bucket| Reason::Throttled {
            key: bucket.key.clone(),
            until: bucket.next_token().max(self.now),
        }));
        let lane = &self.ready.lanes[entry.lane];
        let limit = lane
            .limit
            .filter(|_| entry.wait != Wait::Granted && !lane.has_room());
        reasons.extend(limit.map(|limit| Reason::LeaseLimit { limit }));
        let before = |line: &List<WAITING>| {
            let before = line.iter(&self.entries).take_while(|s| *s != slot);
            before.count() as u64
        };
        let messages = match entry.wait {
            Wait::Granted => before(&lane.granted),
            Wait::Turn => lane.granted.len() as u64 + before(&lane.line),
            Wait::Token(bucket) => {
                let bucket = self.ready.throttles.get(bucket);
                let waiting = bucket.waiting.get(&entry.lane);
                waiting.map_or(0, |waiting| before(&waiting.line))
            }
        };
        if messages > 0 {
            reasons.push(Reason::Behind { messages });
        }
    }
}

impl Lane {
    fn is_of_interest(&self) -> bool {
        self.live > 0 || self.has_rule
    }

    fn stats(&self) -> KeyStats {
        let ready = self.ready();
        KeyStats {
            key: self.key.clone(),
            weight: self.weight,
            lease_limit: self.limit,
            scheduled: (self.live as u64).saturating_sub(ready + u64::from(self.leased)),
            ready,
            parked: self.parked,
            leased: self.leased.into(),
        }
    }
}

/// The page of those items whose text comes after the cursor: the listing's name, then the last text of the page before.
fn page_by_text<T, V>(
    listing: u8,
    page: &PageRequest,
    items: impl Iterator<Item = T>,
    text: impl Fn(&T) -> &str,
    view: impl Fn(&T) -> V,
) -> Result<Page<V>, Error> {
    let after = match page.after.as_ref().map(Cursor::as_bytes) {
        None => None,
        Some([name, after @ ..]) if *name == listing => Some(after),
        Some(_) => return Err(foreign_cursor()),
    };
    let mut first: BTreeMap<Box<[u8]>, T> = BTreeMap::new();
    for item in items {
        let text = text(&item).as_bytes();
        if after.is_none_or(|after| text > after) {
            first.insert(text.into(), item);
            if first.len() > page.limit.saturating_add(1) {
                first.pop_last();
            }
        }
    }
    let has_more = first.len() > page.limit;
    if has_more {
        first.pop_last();
    }
    let last = first.last_key_value().filter(|_| has_more);
    Ok(Page {
        next: last.map(|(text, _)| Cursor::from_bytes([&[listing][..], text].concat())),
        items: first.values().map(view).collect(),
    })
}
