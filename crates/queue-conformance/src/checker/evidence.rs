use std::collections::{HashMap, HashSet};

use forebay_queue_core::MessageId;

use crate::checker::violation::Violation;
use crate::history::{Answered, Asked, CancelBy, Fact, Mark, Record, Tag};

/// The most lines that one violation shows.
const LINES: usize = 40;

/// Collects, in a second reading, the lines that prove the violations: those that name their messages, those that hold
/// their receipts, and the answers to them. Of a batch only the items in question are kept.
pub(crate) struct Evidence {
    by_id: HashMap<MessageId, Vec<usize>>,
    by_line: HashMap<u32, Vec<usize>>,
    receipts: HashMap<Tag, MessageId>,
    calls: HashMap<(u32, u64), Asking>,
    line: u32,
}

/// A call that is shown, with the items of its batch that are.
struct Asking {
    items: Option<Vec<usize>>,
    shown: HashSet<usize>,
}

impl Evidence {
    /// What is to be looked for; `None` when there is nothing.
    pub(crate) fn of(violations: &[Violation]) -> Option<Self> {
        if violations.is_empty() {
            return None;
        }
        let mut evidence = Self {
            by_id: HashMap::new(),
            by_line: HashMap::new(),
            receipts: HashMap::new(),
            calls: HashMap::new(),
            line: 0,
        };
        for (place, violation) in violations.iter().enumerate() {
            for id in &violation.ids {
                evidence.by_id.entry(*id).or_default().push(place);
            }
            for line in &violation.lines {
                evidence.by_line.entry(*line).or_default().push(place);
            }
        }
        Some(evidence)
    }

    /// Takes the next line.
    pub(crate) fn feed(&mut self, record: &Record, violations: &mut [Violation]) {
        let line = self.line;
        self.line += 1;
        let mut shown: HashSet<usize> = HashSet::new();
        let mut part = None;
        match &record.fact {
            Fact::Invoke { call, asked, .. } => {
                let items = self.asked(asked, &mut shown);
                self.named(line, &mut shown);
                // Every receive is remembered: its answer may be the first to name a message.
                if shown.is_empty() && !matches!(asked, Asked::Receive { .. } | Asked::Publish(_)) {
                    return;
                }
                part = items.as_ref().map(|items| part_of(asked, items));
                let asking = Asking {
                    items,
                    shown: shown.clone(),
                };
                self.calls.insert((record.process, *call), asking);
            }
            Fact::Ok { call, answered } => {
                let asking = self.calls.remove(&(record.process, *call));
                let items = self.answered(asking.as_ref(), answered, &mut shown);
                self.named(line, &mut shown);
                return Self::show(record, items.as_deref(), &shown, violations);
            }
            Fact::Fail { call, .. } | Fact::Unknown { call, .. } => {
                if let Some(asking) = self.calls.remove(&(record.process, *call)) {
                    shown.extend(asking.shown);
                }
            }
            Fact::Started { id, .. } | Fact::Processed { id, .. } => self.id(id, &mut shown),
            Fact::Mark(Mark::Rest { dead, live, .. }) => {
                for id in dead.iter().chain(live.iter().flatten()) {
                    self.id(id, &mut shown);
                }
            }
            _ => {}
        }
        self.named(line, &mut shown);
        let record = match (part, &record.fact) {
            (Some(asked), Fact::Invoke { call, queue, .. }) => &Record {
                fact: Fact::Invoke {
                    call: *call,
                    queue: queue.clone(),
                    asked,
                },
                ..record.clone()
            },
            _ => record,
        };
        keep(record, &shown, violations);
    }

    fn id(&self, id: &MessageId, shown: &mut HashSet<usize>) {
        shown.extend(self.by_id.get(id).into_iter().flatten());
    }

    fn named(&self, line: u32, shown: &mut HashSet<usize>) {
        shown.extend(self.by_line.get(&line).into_iter().flatten());
    }

    /// The items of a batch that are in question; `None` for what is no batch, or where the line as a whole is.
    fn asked(&self, asked: &Asked, shown: &mut HashSet<usize>) -> Option<Vec<usize>> {
        let receipt = |tag: &Tag| self.receipts.get(tag).copied();
        let ids: Vec<Option<MessageId>> = match asked {
            Asked::Publish(posted) => posted.iter().map(|p| p.id).collect(),
            Asked::Ack(tags) | Asked::Extend(tags) => tags.iter().map(receipt).collect(),
            Asked::Nack(nacks) => nacks.iter().map(|n| receipt(&n.receipt)).collect(),
            Asked::Cancel(CancelBy::Id(id)) => {
                self.id(id, shown);
                return None;
            }
            _ => return None,
        };
        let items = self.items(&ids, shown);
        (!items.is_empty()).then_some(items)
    }

    fn items(&self, ids: &[Option<MessageId>], shown: &mut HashSet<usize>) -> Vec<usize> {
        let mut items = Vec::new();
        for (place, id) in ids.iter().enumerate() {
            if let Some(id) = id
                && self.by_id.contains_key(id)
            {
                items.push(place);
                self.id(id, shown);
            }
        }
        items
    }

    fn answered(
        &mut self,
        asking: Option<&Asking>,
        answered: &Answered,
        shown: &mut HashSet<usize>,
    ) -> Option<Vec<usize>> {
        if let Some(asking) = asking {
            shown.extend(&asking.shown);
        }
        match answered {
            Answered::Delivered(handed) => {
                let ids: Vec<_> = handed.iter().map(|h| Some(h.id)).collect();
                let items = self.items(&ids, shown);
                for place in &items {
                    self.receipts
                        .insert(handed[*place].receipt, handed[*place].id);
                }
                (!items.is_empty()).then_some(items)
            }
            Answered::Published(published) => {
                let ids: Vec<_> = published
                    .iter()
                    .map(|p| match p {
                        crate::history::Published::Accepted(id)
                        | crate::history::Published::Duplicate { id, .. } => Some(*id),
                    })
                    .collect();
                let items = self.items(&ids, shown);
                (!items.is_empty()).then_some(items)
            }
            _ => asking.and_then(|asking| asking.items.clone()),
        }
    }

    fn show(
        record: &Record,
        items: Option<&[usize]>,
        shown: &HashSet<usize>,
        violations: &mut [Violation],
    ) {
        let (Some(items), Fact::Ok { call, answered }) = (items, &record.fact) else {
            return keep(record, shown, violations);
        };
        let answered = match answered {
            Answered::Delivered(all) => Answered::Delivered(pick(all, items)),
            Answered::Published(all) => Answered::Published(pick(all, items)),
            Answered::Settled(all) => Answered::Settled(pick(all, items)),
            other => other.clone(),
        };
        let record = Record {
            fact: Fact::Ok {
                call: *call,
                answered,
            },
            ..record.clone()
        };
        keep(&record, shown, violations);
    }
}

fn part_of(asked: &Asked, items: &[usize]) -> Asked {
    match asked {
        Asked::Publish(all) => Asked::Publish(pick(all, items)),
        Asked::Ack(all) => Asked::Ack(pick(all, items)),
        Asked::Extend(all) => Asked::Extend(pick(all, items)),
        Asked::Nack(all) => Asked::Nack(pick(all, items)),
        other => other.clone(),
    }
}

fn pick<T: Clone>(all: &[T], items: &[usize]) -> Vec<T> {
    items
        .iter()
        .filter_map(|place| all.get(*place))
        .cloned()
        .collect()
}

fn keep(record: &Record, shown: &HashSet<usize>, violations: &mut [Violation]) {
    for place in shown {
        if let Some(violation) = violations.get_mut(*place)
            && violation.evidence.len() < LINES
        {
            violation.evidence.push(record.to_line());
        }
    }
}
