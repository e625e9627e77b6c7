use std::collections::HashSet;
use std::fmt;

use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Delivery, Explanation, KeyStats, MessageId,
    Nack, NewMessage, Page, PageRequest, PublishOutcome, QueueConfig, Receipt, Redriven, Rule,
    SettleOutcome, State, Stats, StoredMessage, ThrottleStats, Timestamp,
};
use forebay_queue_engine::{Engine, Refusal, TooManyRules};

use crate::model::answer::{Answer, Refused};
use crate::model::operation::{Operation, Taken};
use crate::model::player::{Player, SESSIONS};
use crate::model::rules::{Keep, Rules};
use crate::model::side::Side;

/// When the engine's queue begins. Nothing depends on it.
const ORIGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The engine as one side.
#[derive(Clone)]
pub(crate) struct Reference {
    engine: Engine,
    rules: Rules,
    now: Timestamp,
    ids: u64,
    /// Of each session that was opened, whether it is closed.
    closed: Vec<bool>,
    foreign: Receipt,
    /// Who was handed out at least once.
    pub(crate) handed_out: HashSet<MessageId>,
    /// Who came back from the dead letters at least once.
    pub(crate) redriven: HashSet<MessageId>,
    /// Whether hand-outs are stopped.
    pub(crate) paused: bool,
    /// The deliveries whose lease lasts, where somebody has looked.
    pub(crate) held: Vec<Taken>,
    /// Whom the store handed out, where that is followed.
    followed: Option<Vec<MessageId>>,
}

impl Player<Reference> {
    /// An empty queue.
    pub(crate) fn begin(rules: Rules, keep: Keep) -> Self {
        let config = rules.config(keep);
        // Far from the other's, as the tokens of two queues are.
        let mut other = Engine::new(config.clone(), 1 << 40);
        let mut message = vec![NewMessage::new(crate::message::KIND, "foreign")];
        let published = other.publish(ORIGIN, &mut message, || MessageId::from_bytes([0; 16]));
        published.expect("an empty queue has room");
        let foreign = other.receive(ORIGIN, 1).remove(0).receipt;
        let reference = Reference {
            engine: Engine::new(config.clone(), 1),
            rules,
            now: ORIGIN,
            ids: 0,
            closed: vec![false; SESSIONS],
            foreign,
            handed_out: HashSet::new(),
            redriven: HashSet::new(),
            paused: false,
            held: Vec::new(),
            followed: None,
        };
        Self::new(reference, rules, config)
    }

    /// After an operation, as it is made up: what holds now decides what may come next.
    pub(crate) fn after(mut self, operation: &Operation) -> Self {
        self.play(operation);
        if let Answer::Messages(leased) = self.play(&Operation::List(State::Leased, 1_000)) {
            let numbers = leased.iter().map(|leased| leased.message.number);
            self.side.held = numbers.filter_map(|n| self.last_delivery(n)).collect();
        }
        self
    }
}

impl fmt::Debug for Player<Reference> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "retain_done {:?}", self.config().retain_done)
    }
}

impl Reference {
    /// The next receive hands out these.
    pub(crate) fn follow(&mut self, ids: Vec<MessageId>) {
        self.followed = Some(ids);
    }

    /// Everything ready, in the order of acceptance.
    pub(crate) fn ready(&mut self) -> Vec<StoredMessage> {
        self.all_pages(1_000, |engine, now, page| {
            engine.list(now, State::Ready, &page)
        })
        .unwrap_or_default()
    }

    fn open_session(&self, session: usize) -> Result<(), Refused> {
        if self.closed[session] {
            return Err(Refused::Closed);
        }
        Ok(())
    }

    fn all_pages<T>(
        &mut self,
        limit: usize,
        mut list: impl FnMut(
            &mut Engine,
            Timestamp,
            PageRequest,
        ) -> Result<Page<T>, forebay_queue_core::Error>,
    ) -> Result<Vec<T>, Refused> {
        let mut all = Vec::new();
        let mut request = PageRequest::first(limit);
        loop {
            let page = list(&mut self.engine, self.now, request)?;
            all.extend(page.items);
            match page.next {
                Some(cursor) => request = PageRequest::after(limit, cursor),
                None => return Ok(all),
            }
        }
    }
}

impl Side for Reference {
    fn origin(&self) -> Timestamp {
        ORIGIN
    }

    fn fresh_id(&mut self) -> MessageId {
        self.ids += 1;
        MessageId::from_bytes(u128::from(self.ids).to_be_bytes())
    }

    fn open(&mut self) -> Result<(), Refused> {
        self.closed.push(false);
        Ok(())
    }

    fn close(&mut self, session: usize) -> Result<(), Refused> {
        self.closed[session] = true;
        Ok(())
    }

    fn publish(&mut self, mut messages: Vec<NewMessage>) -> Result<Vec<PublishOutcome>, Refused> {
        let ids = &mut self.ids;
        let new_id = || {
            *ids += 1;
            MessageId::from_bytes(u128::from(*ids).to_be_bytes())
        };
        let answer = self.engine.publish(self.now, &mut messages, new_id);
        answer.map_err(|refusal| match refusal {
            Refusal::Full { .. } | Refusal::KeysFull { .. } => Refused::Full,
            Refusal::TooLarge { .. } => Refused::TooLarge,
            Refusal::IdInUse(_) => Refused::Invalid,
        })
    }

    fn receive(&mut self, session: usize, max: usize) -> Result<Vec<Delivery>, Refused> {
        self.open_session(session)?;
        let deliveries = match self.followed.take() {
            Some(ids) => self
                .engine
                .receive_these(self.now, &ids)
                .map_err(|id| Refused::Broken(format!("{id} was handed out and was not ready")))?,
            None => self.engine.receive(self.now, max),
        };
        let ids = deliveries.iter().map(|delivery| delivery.message.id());
        self.handed_out.extend(ids);
        Ok(deliveries)
    }

    fn ack(&mut self, session: usize, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Refused> {
        self.open_session(session)?;
        Ok(self.engine.ack(self.now, receipts))
    }

    fn nack(&mut self, session: usize, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Refused> {
        self.open_session(session)?;
        Ok(self.engine.nack(self.now, &nacks))
    }

    fn extend(
        &mut self,
        session: usize,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Refused> {
        self.open_session(session)?;
        Ok(self.engine.extend(self.now, receipts))
    }

    fn foreign(&self) -> Receipt {
        self.foreign.clone()
    }

    fn stats(&mut self) -> Result<Stats, Refused> {
        Ok(self.engine.stats(self.now))
    }

    fn get(&mut self, id: MessageId) -> Result<Option<StoredMessage>, Refused> {
        Ok(self.engine.get(self.now, id))
    }

    fn peek(&mut self, limit: usize) -> Result<Vec<StoredMessage>, Refused> {
        Ok(self.engine.peek(self.now, limit))
    }

    fn list(&mut self, state: State, limit: usize) -> Result<Vec<StoredMessage>, Refused> {
        self.all_pages(limit, |engine, now, page| engine.list(now, state, &page))
    }

    fn cancel(&mut self, target: &CancelTarget) -> Result<CancelOutcome, Refused> {
        Ok(self.engine.cancel(self.now, target))
    }

    fn pause(&mut self) -> Result<(), Refused> {
        self.engine.pause();
        self.paused = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Refused> {
        self.engine.resume();
        self.paused = false;
        Ok(())
    }

    fn purge(&mut self) -> Result<u64, Refused> {
        Ok(self.engine.purge(self.now))
    }

    fn dead_letters(
        &mut self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Refused> {
        self.all_pages(limit, |engine, now, page| {
            engine.dead_letters(now, filter, &page)
        })
    }

    fn redrive(&mut self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Refused> {
        let dead = self.dead_letters(filter, limit)?;
        let answer = self.engine.redrive(self.now, filter, limit);
        let count = usize::try_from(answer.redriven).unwrap_or(usize::MAX);
        let ids = dead.iter().map(|dead| dead.message.id());
        self.redriven.extend(ids.take(count));
        Ok(answer)
    }

    fn delete_dead_letters(
        &mut self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Refused> {
        Ok(self.engine.delete_dead_letters(self.now, filter, limit))
    }

    fn set_rule(&mut self, rule: &Rule) -> Result<(), Refused> {
        let set = self.engine.set_rule(self.now, rule);
        set.map_err(|TooManyRules| Refused::Full)
    }

    fn key_stats(&mut self, limit: usize) -> Result<Vec<KeyStats>, Refused> {
        self.all_pages(limit, |engine, now, page| engine.key_stats(now, &page))
    }

    fn throttle_stats(&mut self, limit: usize) -> Result<Vec<ThrottleStats>, Refused> {
        self.all_pages(limit, |engine, now, page| engine.throttle_stats(now, &page))
    }

    fn explain(&mut self, id: MessageId) -> Result<Option<Explanation>, Refused> {
        Ok(self.engine.explain(self.now, id))
    }

    fn update(&mut self, config: &QueueConfig) -> Result<(), Refused> {
        self.engine.update(config.clone());
        Ok(())
    }

    fn pass_until(&mut self, step: u32) -> Result<(), Refused> {
        self.now = ORIGIN.after(self.rules.at(step));
        Ok(())
    }
}
