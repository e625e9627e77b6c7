use std::collections::{BTreeMap, HashMap};

use forebay::{MessageId, Timestamp};
use forebay_queue_conformance::history::{Answered, Asked, Ended, Fact, Record, Settled, Tag};

/// A history by its deliveries, for numbers that the checker does not tell.
pub(crate) struct Timeline {
    /// In the order in which they were received.
    pub(crate) deliveries: Vec<Handling>,
    /// Of each message, by the time of the hand-out.
    by_message: HashMap<MessageId, Vec<usize>>,
    /// When a publish was answered, and to whom.
    pub(crate) published: Vec<(u32, Timestamp)>,
}

/// One delivery and what came of it.
pub(crate) struct Handling {
    pub(crate) process: u32,
    pub(crate) id: MessageId,
    pub(crate) attempt: u32,
    /// By the server's clock.
    pub(crate) delivered_at: Timestamp,
    /// By the process's.
    pub(crate) received_at: Timestamp,
    /// When a handler was started for it.
    pub(crate) started_at: Option<Timestamp>,
    /// How the worker's processing ended, and when.
    pub(crate) ended: Option<(Ended, Timestamp)>,
    /// The first ack or nack.
    pub(crate) settlement: Option<Settlement>,
}

/// What was asked with a receipt, and what was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settlement {
    pub(crate) asked_at: Timestamp,
    pub(crate) is_ack: bool,
    /// None: nothing, or a failure.
    pub(crate) answered: Option<(Settled, Timestamp)>,
}

/// A call under way: which deliveries it is about.
struct Call {
    asked_at: Timestamp,
    is_ack: bool,
    receipts: Vec<Tag>,
}

impl Timeline {
    /// From all histories together.
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut timeline = Self {
            deliveries: Vec::new(),
            by_message: HashMap::new(),
            published: Vec::new(),
        };
        let mut calls = BTreeMap::new();
        let mut by_receipt = HashMap::new();
        let mut by_attempt = HashMap::new();
        for record in records {
            let process = record.process;
            match &record.fact {
                Fact::Invoke { call, asked, .. } => {
                    if let Some(asked) = Call::of(asked, record.at) {
                        calls.insert((process, *call), asked);
                    }
                }
                Fact::Ok { call, answered } => {
                    timeline.delivered(record, answered, &mut by_receipt, &mut by_attempt);
                    if let (Some(call), Answered::Settled(outcomes)) =
                        (calls.remove(&(process, *call)), answered)
                    {
                        timeline.settled(&call, Some((outcomes, record.at)), &by_receipt);
                    }
                }
                Fact::Fail { call, .. } | Fact::Unknown { call, .. } => {
                    if let Some(call) = calls.remove(&(process, *call)) {
                        timeline.settled(&call, None, &by_receipt);
                    }
                }
                Fact::Started { receipt, .. } => {
                    if let Some(place) = by_receipt.get(receipt) {
                        timeline.deliveries[*place].started_at = Some(record.at);
                    }
                }
                Fact::Processed {
                    id,
                    attempt,
                    outcome,
                    ..
                } => {
                    if let Some(place) = by_attempt.get(&(process, *id, *attempt)) {
                        let handling: &mut Handling = &mut timeline.deliveries[*place];
                        handling.ended = Some((*outcome, record.at));
                    }
                }
                _ => {}
            }
        }
        for (_, call) in calls {
            timeline.settled(&call, None, &by_receipt);
        }
        timeline.sort();
        timeline
    }

    /// The delivery of the same message after this one.
    pub(crate) fn next(&self, place: usize) -> Option<&Handling> {
        let places = self.by_message.get(&self.deliveries[place].id)?;
        let at = places.iter().position(|other| *other == place)?;
        places.get(at + 1).map(|next| &self.deliveries[*next])
    }

    /// All deliveries of each message, by the time of the hand-out.
    pub(crate) fn stories(&self) -> impl Iterator<Item = Vec<&Handling>> {
        let of = |places: &Vec<usize>| places.iter().map(|at| &self.deliveries[*at]).collect();
        self.by_message.values().map(of)
    }

    /// The first time after this one at which this process had an ack confirmed.
    pub(crate) fn first_ack(&self, process: u32, after: Timestamp) -> Option<Timestamp> {
        self.deliveries
            .iter()
            .filter(|handling| handling.process == process)
            .filter_map(Handling::acked_at)
            .filter(|at| *at > after)
            .min()
    }

    /// The first time after this one at which this process had a publish answered.
    pub(crate) fn first_publish(&self, process: u32, after: Timestamp) -> Option<Timestamp> {
        let mut times = self.published.iter();
        times
            .find(|(who, at)| *who == process && *at > after)
            .map(|(_, at)| *at)
    }

    fn delivered(
        &mut self,
        record: &Record,
        answered: &Answered,
        by_receipt: &mut HashMap<Tag, usize>,
        by_attempt: &mut HashMap<(u32, MessageId, u32), usize>,
    ) {
        match answered {
            Answered::Published(_) => self.published.push((record.process, record.at)),
            Answered::Delivered(handed) => {
                for handed in handed {
                    let place = self.deliveries.len();
                    by_receipt.insert(handed.receipt, place);
                    by_attempt.insert((record.process, handed.id, handed.attempt), place);
                    self.by_message.entry(handed.id).or_default().push(place);
                    self.deliveries.push(Handling {
                        process: record.process,
                        id: handed.id,
                        attempt: handed.attempt,
                        delivered_at: handed.delivered_at,
                        received_at: record.at,
                        started_at: None,
                        ended: None,
                        settlement: None,
                    });
                }
            }
            _ => {}
        }
    }

    fn settled(
        &mut self,
        call: &Call,
        answered: Option<(&Vec<Settled>, Timestamp)>,
        by_receipt: &HashMap<Tag, usize>,
    ) {
        for (number, receipt) in call.receipts.iter().enumerate() {
            let Some(place) = by_receipt.get(receipt) else {
                continue;
            };
            let outcome = answered.and_then(|(outcomes, at)| Some((*outcomes.get(number)?, at)));
            let known = &mut self.deliveries[*place].settlement;
            // What was asked first counts, and an answer more than none.
            if known.is_none_or(|known| known.answered.is_none()) {
                *known = Some(Settlement {
                    asked_at: known.map_or(call.asked_at, |known| known.asked_at),
                    is_ack: call.is_ack,
                    answered: outcome,
                });
            }
        }
    }

    fn sort(&mut self) {
        for places in self.by_message.values_mut() {
            places.sort_by_key(|place| self.deliveries[*place].delivered_at);
        }
    }
}

impl Handling {
    /// When its ack was confirmed.
    pub(crate) fn acked_at(&self) -> Option<Timestamp> {
        match self.settlement {
            Some(Settlement {
                is_ack: true,
                answered: Some((Settled::Done, at)),
                ..
            }) => Some(at),
            _ => None,
        }
    }

    /// Whether a process had it, and had not begun to settle it, at this time.
    pub(crate) fn is_held(&self, at: Timestamp) -> bool {
        self.received_at <= at && self.settlement.is_none_or(|settled| settled.asked_at > at)
    }
}

impl Call {
    fn of(asked: &Asked, asked_at: Timestamp) -> Option<Self> {
        let (is_ack, receipts) = match asked {
            Asked::Ack(receipts) => (true, receipts.clone()),
            Asked::Nack(nacks) => (false, nacks.iter().map(|nack| nack.receipt).collect()),
            _ => return None,
        };
        Some(Self {
            asked_at,
            is_ack,
            receipts,
        })
    }
}
