use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use forebay_queue_core::{
    CancelTarget, DeadLetterFilter, FairnessKey, Fingerprint, Headers, IdempotencyKey, Kind,
    MessageId, Moment, Nack, NackAction, NewMessage, PublishOutcome, QueueConfig, Receipt, Rule,
    State, StoredMessage, ThrottleKey, Weight,
};

use crate::model::answer::{Answer, CAUSES, Published, Reading, Refused};
use crate::model::names::Names;
use crate::model::operation::{
    Draft, Filter, Foreign, Identity, Operation, Ruling, Taken, Verdict, When,
};
use crate::model::rules::Rules;
use crate::model::side::Side;

/// How many sessions take turns.
pub(crate) const SESSIONS: usize = 3;

/// The page that is long enough for everything.
const PAGE: usize = 50;

/// Plays operations on one side and reads its answers: the same for the engine and for the store.
#[derive(Clone)]
pub(crate) struct Player<S> {
    pub(crate) side: S,
    rules: Rules,
    config: QueueConfig,
    /// How many steps have passed.
    now: u32,
    names: Names,
    deliveries: Vec<HandedOut>,
    receipts: HashSet<Receipt>,
    /// The number of the session that is open in each turn.
    turns: [usize; SESSIONS],
}

#[derive(Clone)]
struct HandedOut {
    taken: Taken,
    receipt: Receipt,
    session: usize,
}

impl<S: Side> Player<S> {
    /// Of a side whose queue has just been made with this configuration, and has as many sessions as there are turns.
    pub(crate) fn new(side: S, rules: Rules, config: QueueConfig) -> Self {
        Self {
            side,
            rules,
            config,
            now: 0,
            names: Names::default(),
            deliveries: Vec::new(),
            receipts: HashSet::new(),
            turns: std::array::from_fn(|turn| turn),
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    pub(crate) fn config(&self) -> &QueueConfig {
        &self.config
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The latest delivery of a message.
    pub(crate) fn last_delivery(&self, message: usize) -> Option<Taken> {
        let mut taken = self.recent_deliveries();
        taken.find(|taken| taken.message == message)
    }

    /// The latest deliveries, the last one first.
    pub(crate) fn recent_deliveries(&self) -> impl Iterator<Item = Taken> {
        self.deliveries.iter().rev().map(|delivery| delivery.taken)
    }

    /// Whether everything that an operation names is there.
    pub(crate) fn can(&self, operation: &Operation) -> bool {
        let there = |taken: &Taken| self.deliveries.iter().any(|d| d.taken == *taken);
        let known = |number: &Option<usize>| number.is_none_or(|n| self.names.id(n).is_some());
        match operation {
            Operation::Ack(taken) | Operation::Extend(taken) => taken.iter().all(there),
            Operation::Nack(nacks) => nacks.iter().all(|(taken, _)| there(taken)),
            Operation::Cancel(number) | Operation::Get(number) => known(number),
            Operation::Redrive(filter, _)
            | Operation::DeleteDeadLetters(filter, _)
            | Operation::DeadLetters(filter, _) => filter.ids.iter().flatten().all(known),
            Operation::Publish(drafts) => drafts.iter().all(|draft| {
                let again = match draft.identity {
                    Identity::Again(number) => Some(number),
                    Identity::Store | Identity::Sender => None,
                };
                draft.number >= self.names.next() && known(&again)
            }),
            _ => true,
        }
    }

    /// Does it, and answers what came of it.
    pub(crate) fn play(&mut self, operation: &Operation) -> Answer {
        self.perform(operation).unwrap_or_else(Answer::Refused)
    }

    /// All that there is to see, with what it is.
    pub(crate) fn survey(&mut self) -> Vec<(&'static str, Answer)> {
        let stats = self.side.stats().map(|stats| self.reading().stats(stats));
        let mut seen = vec![("stats", stats.map(Answer::Stats))];
        for state in State::ALL {
            let listed = self.side.list(state, PAGE);
            seen.push((
                state.as_str(),
                listed.and_then(|messages| self.messages(messages)),
            ));
        }
        if self.rules.tells_keys_apart() {
            let keys = self.side.key_stats(2).map(Answer::Keys);
            seen.push(("fairness keys", keys));
        }
        if self.rules.throttling {
            let buckets = self.side.throttle_stats(2).map(Answer::Buckets);
            seen.push(("token buckets", buckets));
        }
        let answer = |(what, answer): (_, Result<Answer, Refused>)| {
            (what, answer.unwrap_or_else(Answer::Refused))
        };
        seen.into_iter().map(answer).collect()
    }

    fn perform(&mut self, operation: &Operation) -> Result<Answer, Refused> {
        match operation {
            Operation::Publish(drafts) => self.publish(drafts),
            Operation::Receive { session, max } => self.receive(self.turns[*session], *max),
            Operation::Ack(_) | Operation::Extend(_) | Operation::Nack(_) => self.settle(operation),
            Operation::Foreign(verb) => self.settle_foreign(*verb),
            Operation::Cancel(_) | Operation::CancelKey(_) => self.cancel(operation),
            Operation::Redrive(filter, limit) => {
                let filter = self.filter(filter);
                self.side.redrive(&filter, *limit).map(Answer::Redriven)
            }
            Operation::DeleteDeadLetters(filter, limit) => {
                let filter = self.filter(filter);
                let deleted = self.side.delete_dead_letters(&filter, *limit);
                deleted.map(Answer::Count)
            }
            Operation::DeadLetters(filter, limit) => {
                let filter = self.filter(filter);
                let found = self.side.dead_letters(&filter, *limit)?;
                self.messages(found)
            }
            Operation::Get(number) => {
                let id = self.message(*number);
                let found = self.side.get(id)?;
                self.messages(found.into_iter().collect())
            }
            Operation::Peek(limit) => {
                let found = self.side.peek(*limit)?;
                self.messages(found)
            }
            Operation::List(state, limit) => {
                let found = self.side.list(*state, *limit)?;
                self.messages(found)
            }
            Operation::Explain(numbers) => self.explain(numbers),
            Operation::Rule(ruling) => {
                // It holds from the next hand-out on, with no time to learn of it.
                self.side.set_rule(&self.rule(*ruling))?;
                Ok(Answer::Done)
            }
            Operation::Purge => self.side.purge().map(Answer::Count),
            Operation::Pause => self.side.pause().and_then(|()| self.settled()),
            Operation::Resume => self.side.resume().and_then(|()| self.settled()),
            Operation::Update(change) => {
                self.rules.change(&mut self.config, *change);
                self.side.update(&self.config)?;
                self.settled()
            }
            Operation::Reopen(turn) => {
                self.side.close(self.turns[*turn])?;
                self.side.open()?;
                self.turns[*turn] = self.turns.iter().max().map_or(0, |last| last + 1);
                Ok(Answer::Done)
            }
            Operation::Wait(steps) => self.wait(*steps),
        }
    }

    fn explain(&mut self, numbers: &[Option<usize>]) -> Result<Answer, Refused> {
        let mut explained = Vec::new();
        for number in numbers {
            let id = self.message(*number);
            let found = self.side.explain(id)?;
            explained.push(found.map(|found| self.reading().explained(found)));
        }
        Ok(Answer::Explained(explained))
    }

    fn rule(&self, ruling: Ruling) -> Rule {
        match ruling {
            Ruling::Weight(key, weight) => {
                let weight = weight.and_then(|weight| Weight::new(weight).ok());
                Rule::Weight(fairness_key(key), weight)
            }
            Ruling::LeaseLimit(key, limit) => {
                Rule::LeaseLimit(fairness_key(key), limit.and_then(NonZeroU32::new))
            }
            Ruling::Throttle(key, rate) => {
                let throttle = rate.and_then(|rate| self.rules.throttle(rate));
                Rule::Throttle(throttle_key(key), throttle)
            }
        }
    }

    fn wait(&mut self, steps: u32) -> Result<Answer, Refused> {
        self.now += steps;
        self.side.pass_until(self.now)?;
        Ok(Answer::Done)
    }

    /// Every handle gets the time to learn of a change.
    fn settled(&mut self) -> Result<Answer, Refused> {
        match self.rules.settling() {
            0 => Ok(Answer::Done),
            steps => self.wait(steps),
        }
    }

    fn publish(&mut self, drafts: &[Draft]) -> Result<Answer, Refused> {
        let mut messages = Vec::new();
        for draft in drafts {
            self.names.publish(draft.number);
            messages.push(self.new_message(draft));
        }
        let ids: Vec<Option<MessageId>> = messages.iter().map(NewMessage::id).collect();
        let again = |draft: &Draft| matches!(draft.identity, Identity::Again(_));
        let outcomes = match self.side.publish(messages) {
            // Which of two reasons is named first is not promised.
            Err(Refused::Full) if drafts.iter().any(again) => return Err(Refused::Invalid),
            outcomes => outcomes?,
        };
        if outcomes.len() != drafts.len() {
            return Err(Refused::Broken("one outcome for each message".to_owned()));
        }
        let mut published = Vec::new();
        for (place, outcome) in outcomes.into_iter().enumerate() {
            published.push(match outcome {
                PublishOutcome::Accepted(id) => {
                    let (number, keyed) = (drafts[place].number, drafts[place].key.is_some());
                    self.names.accept(number, id, keyed, ids[place])?;
                    Published::Accepted(number)
                }
                PublishOutcome::Duplicate {
                    id,
                    same_fingerprint,
                } => Published::Duplicate {
                    first: self.names.number(id)?,
                    same: same_fingerprint,
                },
            });
        }
        Ok(Answer::Published(published))
    }

    fn new_message(&mut self, draft: &Draft) -> NewMessage {
        let number = draft.number.to_string();
        let mut headers = Headers::new();
        let inserted = headers.insert("number", &number);
        inserted.expect("a number makes a header");
        let mut message = NewMessage::new(kind(draft.kind), number)
            .with_headers(headers)
            .with_fairness_key(fairness_key(draft.fairness_key));
        if let Some(key) = draft.key {
            message = message.with_idempotency_key(idempotency_key(key));
        }
        if let Some(fingerprint) = draft.fingerprint {
            message = message.with_fingerprint(Fingerprint([fingerprint; 32]));
        }
        if let Some(weight) = draft.weight.and_then(|weight| Weight::new(weight).ok()) {
            message = message.with_weight(weight);
        }
        for key in &draft.throttle_keys {
            message = message.with_throttle_key(throttle_key(*key));
        }
        message = match draft.deliver.map(|when| self.moment(when)) {
            Some(Moment::After(span)) => message.with_delay(span),
            Some(Moment::At(at)) => message.with_deliver_at(at),
            None => message,
        };
        message = match draft.expires.map(|when| self.moment(when)) {
            Some(Moment::After(span)) => message.with_time_to_live(span),
            Some(Moment::At(at)) => message.with_expires_at(at),
            None => message,
        };
        let id = match draft.identity {
            Identity::Store => None,
            Identity::Sender => Some(self.side.fresh_id()),
            Identity::Again(number) => Some(self.message(Some(number))),
        };
        match id {
            Some(id) => message.with_id(id),
            None => message,
        }
    }

    fn moment(&self, when: When) -> Moment {
        self.rules.moment(when, self.now, self.side.origin())
    }

    fn receive(&mut self, session: usize, max: usize) -> Result<Answer, Refused> {
        let mut received = Vec::new();
        for delivery in self.side.receive(session, max)? {
            let number = self.names.read(&delivery.message)?;
            received.push(self.reading().received(number, &delivery));
            let receipt = delivery.receipt;
            if !self.receipts.insert(receipt.clone()) {
                return Err(Refused::Broken("a receipt was used twice".to_owned()));
            }
            let earlier = self.deliveries.iter().filter(|d| d.taken.message == number);
            let taken = Taken {
                message: number,
                delivery: earlier.count() + 1,
            };
            self.deliveries.push(HandedOut {
                taken,
                receipt,
                session,
            });
        }
        Ok(Answer::Received(received))
    }

    /// A call is for one session: what belongs to another one than the first is left out.
    fn settle(&mut self, operation: &Operation) -> Result<Answer, Refused> {
        let taken: Vec<Taken> = match operation {
            Operation::Ack(taken) | Operation::Extend(taken) => taken.clone(),
            Operation::Nack(nacks) => nacks.iter().map(|(taken, _)| *taken).collect(),
            _ => Vec::new(),
        };
        let found = taken.iter().enumerate();
        let found =
            found.filter_map(|(place, taken)| Some((place, self.delivery(*taken)?.clone())));
        let mut found: Vec<(usize, HandedOut)> = found.collect();
        let Some(session) = found.first().map(|(_, delivery)| delivery.session) else {
            return Ok(Answer::Done);
        };
        found.retain(|(_, delivery)| delivery.session == session);
        let receipts: Vec<Receipt> = found.iter().map(|(_, d)| d.receipt.clone()).collect();
        let outcomes = match operation {
            Operation::Ack(_) => self.side.ack(session, &receipts),
            Operation::Extend(_) => self.side.extend(session, &receipts),
            Operation::Nack(nacks) => {
                let verdicts = found.iter().map(|(place, _)| nacks[*place].1);
                let nack = |(receipt, verdict)| self.nack(receipt, verdict);
                let nacks = receipts.into_iter().zip(verdicts).map(nack).collect();
                self.side.nack(session, nacks)
            }
            _ => Ok(Vec::new()),
        };
        outcomes.map(Answer::Settled)
    }

    /// A store that hands out in an order of its own may not have come to this one: then it is the last one.
    fn delivery(&self, taken: Taken) -> Option<&HandedOut> {
        let named = self.deliveries.iter().find(|d| d.taken == taken);
        named.or(self.deliveries.last())
    }

    fn nack(&self, receipt: Receipt, verdict: Verdict) -> Nack {
        let span =
            |steps: Option<u32>| steps.map_or(Duration::ZERO, |steps| self.rules.span(steps));
        let (action, cause) = match verdict {
            Verdict::Retry(after, cause) => (NackAction::Retry { after: span(after) }, cause),
            Verdict::Release(after) => (NackAction::Release { after: span(after) }, None),
            Verdict::DeadLetter(cause) => (NackAction::DeadLetter, cause),
        };
        let cause = cause.map(|number| CAUSES[usize::from(number)].into());
        Nack {
            receipt,
            action,
            cause,
        }
    }

    fn settle_foreign(&mut self, verb: Foreign) -> Result<Answer, Refused> {
        let (session, receipt) = (self.turns[0], self.side.foreign());
        let receipts = std::slice::from_ref(&receipt);
        let outcomes = match verb {
            Foreign::Ack => self.side.ack(session, receipts),
            Foreign::Extend => self.side.extend(session, receipts),
            Foreign::Nack => {
                let nack = self.nack(receipt, Verdict::DeadLetter(None));
                self.side.nack(session, vec![nack])
            }
        };
        outcomes.map(Answer::Settled)
    }

    fn cancel(&mut self, operation: &Operation) -> Result<Answer, Refused> {
        let target = match operation {
            Operation::CancelKey(key) => CancelTarget::Key(idempotency_key(*key)),
            Operation::Cancel(number) => CancelTarget::Id(self.message(*number)),
            _ => return Ok(Answer::Done),
        };
        self.side.cancel(&target).map(Answer::Cancelled)
    }

    /// The id of a message; one that nobody has where it was not accepted.
    fn message(&mut self, number: Option<usize>) -> MessageId {
        let known = number.and_then(|number| self.names.id(number));
        known.unwrap_or_else(|| self.side.fresh_id())
    }

    fn filter(&mut self, filter: &Filter) -> DeadLetterFilter {
        let ids = filter.ids.as_ref();
        DeadLetterFilter {
            ids: ids.map(|numbers| numbers.iter().map(|n| self.message(*n)).collect()),
            kind: filter.kind.map(kind),
            // Upper and lower case are told apart, and a part of the text is enough.
            error_contains: filter.cause.map(|n| CAUSES[usize::from(n)][1..].to_owned()),
            older_than: filter.older_than.map(|steps| self.rules.span(steps)),
            newer_than: filter.newer_than.map(|steps| self.rules.span(steps)),
            fairness_key: filter.fairness_key.map(fairness_key),
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            rules: self.rules,
            origin: self.side.origin(),
        }
    }

    fn messages(&self, found: Vec<StoredMessage>) -> Result<Answer, Refused> {
        let stored = |stored: StoredMessage| {
            let number = self.names.read(&stored.message)?;
            Ok(self.reading().stored(number, &stored))
        };
        let stored: Result<Vec<_>, Refused> = found.into_iter().map(stored).collect();
        stored.map(Answer::Messages)
    }
}

fn kind(number: u8) -> Kind {
    [Kind::from_static("email"), Kind::from_static("report")][usize::from(number)].clone()
}

fn fairness_key(number: u8) -> FairnessKey {
    match number {
        0 => FairnessKey::DEFAULT,
        1 => crate::message::fairness_key("tenant-7"),
        _ => crate::message::fairness_key("tenant-8"),
    }
}

pub(crate) fn throttle_key(number: u8) -> ThrottleKey {
    crate::message::throttle_key(&format!("provider-{number}"))
}

fn idempotency_key(number: u8) -> IdempotencyKey {
    crate::message::idempotency_key(&format!("key-{number}"))
}
