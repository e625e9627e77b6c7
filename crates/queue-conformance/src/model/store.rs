use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Delivery, Error, Explanation, KeyStats,
    Management, MessageId, Nack, NewMessage, Page, PageRequest, PublishOutcome, Queue, QueueConfig,
    QueueName, Receipt, Redriven, Rule, SettleOutcome, State, Stats, StoredMessage, ThrottleStats,
    Timestamp,
};
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep_until, timeout};

use crate::model::answer::Refused;
use crate::model::player::SESSIONS;
use crate::model::rules::Rules;
use crate::model::side::Side;
use crate::suite::runtime;
use crate::{Case, Harness, message};

/// The store under test as one side, with a runtime of its own.
pub(crate) struct Store {
    case: Case,
    name: QueueName,
    sessions: Vec<Arc<dyn Queue>>,
    management: Arc<dyn Management>,
    /// Another queue, that tells the time and lends a receipt.
    other: QueueName,
    foreign: Receipt,
    origin: Timestamp,
    /// The same moment as the origin, or a little later, on this side's clock.
    start: Instant,
    /// The same moment by the time of day.
    date: SystemTime,
    rules: Rules,
    /// How many steps have passed.
    now: u32,
    /// Something took so long that it is not known any more on which side of a border it happened.
    late: bool,
    /// Above the ids of every other run.
    prefix: u64,
    ids: u64,
    runtime: Runtime,
}

/// A case of the suite in a runtime of its own.
pub(crate) fn connect<H: Harness>(harness: H) -> (Runtime, Case) {
    let runtime = runtime(harness.timing().paused);
    let case = runtime.block_on(Case::new(Arc::new(harness)));
    (runtime, case)
}

impl Store {
    /// A new queue with this configuration.
    pub(crate) fn begin<H: Harness>(
        harness: H,
        rules: Rules,
        config: &QueueConfig,
    ) -> Result<Self, Refused> {
        let (runtime, case) = connect(harness);
        let started = runtime.block_on(async {
            let other = case.fresh_name();
            case.backend().create(&other, &case.holding()).await?;
            let session = case.backend().open(&other, None).await?;
            let foreign = vec![message::numbered(0)];
            session.publish(foreign, Duration::ZERO).await?;
            let foreign = session.receive(1, case.timing().limit).await?.pop();
            let (start, date) = (Instant::now(), SystemTime::now());
            let name = case.fresh_name();
            case.backend().create(&name, config).await?;
            let mut sessions = Vec::new();
            for _ in 0..SESSIONS {
                sessions.push(case.backend().open(&name, None).await?);
            }
            let management = case.backend().manage(&name).await?;
            Ok::<_, Error>((other, foreign, (start, date), name, sessions, management))
        });
        let (other, foreign, (start, date), name, sessions, management) = started?;
        let Some(foreign) = foreign else {
            let nothing = "a message that was published did not come".to_owned();
            return Err(Refused::Broken(nothing));
        };
        Ok(Self {
            case,
            name,
            sessions,
            management,
            other,
            origin: foreign.delivered_at,
            foreign: foreign.receipt,
            start,
            date,
            rules,
            now: 0,
            late: false,
            prefix: fastrand::u64(..),
            ids: 0,
            runtime,
        })
    }

    /// Whether the machine was too slow for the answers to be judged.
    pub(crate) fn is_late(&mut self) -> bool {
        if !self.rules.paused {
            let end = self.start + self.rules.at(self.now) + self.rules.budget;
            self.late |= Instant::now() > end || self.is_clock_set();
        }
        self.late
    }

    /// Whether somebody has set the machine's clock, which is what another process's store goes by.
    fn is_clock_set(&self) -> bool {
        let shown = self.date.elapsed().unwrap_or_default();
        shown.abs_diff(self.start.elapsed()) > self.rules.budget
    }

    /// For how long it has been there.
    pub(crate) fn age(&self) -> Duration {
        self.start.elapsed()
    }

    /// Leaves nothing behind.
    pub(crate) fn end(self) {
        let Self {
            runtime,
            case,
            name,
            other,
            ..
        } = self;
        runtime.block_on(async {
            for name in [name, other] {
                // What cannot be deleted does not change the verdict.
                let _ = timeout(case.timing().limit, case.backend().delete(&name)).await;
            }
        });
        drop(case);
        // A store that keeps threads busy must not keep the others from going on.
        runtime.shutdown_timeout(Duration::from_secs(5));
    }

    fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Refused> {
        let limit = self.case.timing().limit;
        match self.runtime.block_on(async { timeout(limit, call).await }) {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Refused::Broken(format!("no answer within {limit:?}"))),
        }
    }

    fn all_pages<T, F: Future<Output = Result<Page<T>, Error>>>(
        &self,
        limit: usize,
        mut list: impl FnMut(PageRequest) -> F,
    ) -> Result<Vec<T>, Refused> {
        let mut all = Vec::new();
        let mut request = PageRequest::first(limit);
        loop {
            let page = self.call(list(request))?;
            if page.items.len() > limit {
                return Err(Refused::Broken("a page longer than its limit".to_owned()));
            }
            // Few messages are there at any time: more are a listing that goes in circles.
            if all.len() > 1_000 {
                return Err(Refused::Broken("a listing without an end".to_owned()));
            }
            all.extend(page.items);
            match page.next {
                Some(cursor) => request = PageRequest::after(limit, cursor),
                None => return Ok(all),
            }
        }
    }
}

impl Side for Store {
    fn origin(&self) -> Timestamp {
        self.origin
    }

    fn fresh_id(&mut self) -> MessageId {
        self.ids += 1;
        let id = u128::from(self.prefix) << 64 | u128::from(self.ids);
        MessageId::from_bytes(id.to_be_bytes())
    }

    fn open(&mut self) -> Result<(), Refused> {
        let session = self.call(self.case.backend().open(&self.name, None))?;
        self.sessions.push(session);
        Ok(())
    }

    fn close(&mut self, session: usize) -> Result<(), Refused> {
        self.call(self.sessions[session].close())
    }

    fn publish(&mut self, messages: Vec<NewMessage>) -> Result<Vec<PublishOutcome>, Refused> {
        let newest = &self.sessions[self.sessions.len() - 1];
        self.call(newest.publish(messages, Duration::ZERO))
    }

    fn receive(&mut self, session: usize, max: usize) -> Result<Vec<Delivery>, Refused> {
        self.call(self.sessions[session].receive(max, Duration::ZERO))
    }

    fn ack(&mut self, session: usize, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Refused> {
        self.call(self.sessions[session].ack(receipts))
    }

    fn nack(&mut self, session: usize, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Refused> {
        self.call(self.sessions[session].nack(nacks))
    }

    fn extend(
        &mut self,
        session: usize,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Refused> {
        self.call(self.sessions[session].extend(receipts))
    }

    fn foreign(&self) -> Receipt {
        self.foreign.clone()
    }

    fn stats(&mut self) -> Result<Stats, Refused> {
        self.call(self.management.stats())
    }

    fn get(&mut self, id: MessageId) -> Result<Option<StoredMessage>, Refused> {
        self.call(self.management.get(id))
    }

    fn peek(&mut self, limit: usize) -> Result<Vec<StoredMessage>, Refused> {
        self.call(self.management.peek(limit))
    }

    fn list(&mut self, state: State, limit: usize) -> Result<Vec<StoredMessage>, Refused> {
        self.all_pages(limit, |page| self.management.list(state, page))
    }

    fn cancel(&mut self, target: &CancelTarget) -> Result<CancelOutcome, Refused> {
        self.call(self.management.cancel(target.clone()))
    }

    fn pause(&mut self) -> Result<(), Refused> {
        self.call(self.management.pause())
    }

    fn resume(&mut self) -> Result<(), Refused> {
        self.call(self.management.resume())
    }

    fn purge(&mut self) -> Result<u64, Refused> {
        self.call(self.management.purge())
    }

    fn dead_letters(
        &mut self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Refused> {
        self.all_pages(limit, |page| self.management.dead_letters(filter, page))
    }

    fn redrive(&mut self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Refused> {
        self.call(self.management.redrive(filter, limit))
    }

    fn delete_dead_letters(
        &mut self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Refused> {
        self.call(self.management.delete_dead_letters(filter, limit))
    }

    fn set_rule(&mut self, rule: &Rule) -> Result<(), Refused> {
        self.call(self.management.set_rule(rule))
    }

    fn key_stats(&mut self, limit: usize) -> Result<Vec<KeyStats>, Refused> {
        self.all_pages(limit, |page| self.management.key_stats(page))
    }

    fn throttle_stats(&mut self, limit: usize) -> Result<Vec<ThrottleStats>, Refused> {
        self.all_pages(limit, |page| self.management.throttle_stats(page))
    }

    fn explain(&mut self, id: MessageId) -> Result<Option<Explanation>, Refused> {
        self.call(self.management.explain(id))
    }

    fn update(&mut self, config: &QueueConfig) -> Result<(), Refused> {
        self.call(self.case.backend().update(&self.name, config))
    }

    fn pass_until(&mut self, step: u32) -> Result<(), Refused> {
        self.is_late();
        self.now = step;
        let until = self.start + self.rules.at(step);
        self.runtime.block_on(async { sleep_until(until).await });
        Ok(())
    }
}
