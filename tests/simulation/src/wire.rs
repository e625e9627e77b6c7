use std::panic::resume_unwind;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, CancelOutcome, CancelTarget, Capabilities, DeadLetterFilter, Delivery, Error,
    Explanation, Guarantees, Health, KeyStats, Management, MessageId, Nack, NewMessage, Page,
    PageRequest, PublishOutcome, Queue, QueueConfig, QueueName, Receipt, Redriven, Rule,
    SettleOutcome, State, Stats, StoredMessage, ThrottleStats,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Occurrence;
use crate::world::World;

/// What lies between one process and the store: where calls are lost, late or refused.
pub(crate) struct Wire {
    world: Arc<World>,
    /// Whose wire it is, for the trace.
    process: u32,
    /// Its process's code can take a panic.
    may_panic: bool,
    stalled_until: Mutex<Instant>,
    sessions: Mutex<Vec<Weak<dyn Queue>>>,
}

impl Wire {
    pub(crate) fn new(world: &Arc<World>, process: u32, may_panic: bool) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            process,
            may_panic,
            stalled_until: Mutex::new(Instant::now()),
            sessions: Mutex::default(),
        })
    }

    /// The process neither sends nor hears anything for a while.
    pub(crate) fn stall(&self, span: Duration) {
        *self.stalled_until.lock() = Instant::now() + span;
    }

    /// Closes every session that the process has.
    pub(crate) async fn close_sessions(&self) -> usize {
        let sessions = std::mem::take(&mut *self.sessions.lock());
        let mut closed = 0;
        for session in sessions.iter().filter_map(Weak::upgrade) {
            // The memory queue's close cannot fail.
            closed += usize::from(session.close().await.is_ok());
        }
        closed
    }

    /// Brings a call to the store and its answer back, as well as the world lets it.
    async fn carry<T, F>(&self, verb: &'static str, call: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let world = &self.world;
        self.until_moving().await;
        let hit = match world.hit() {
            Some(Occurrence::PanickingCall) if !self.may_panic => None,
            hit => hit,
        };
        let Some(hit) = hit else {
            let answer = call.await;
            self.until_moving().await;
            return answer;
        };
        world.tell(hit, format_args!("{verb} of {}", self.process));
        match hit {
            Occurrence::Refused => return Err(world.unavailable()),
            Occurrence::LostRequest => return Err(world.interrupted()),
            // Without the hook: the panic is part of the plan.
            Occurrence::PanickingCall => resume_unwind(Box::new("the simulation's client broke")),
            Occurrence::NoAnswer => {
                world.calm.cancelled().await;
                return Err(world.interrupted());
            }
            Occurrence::LateEffect => {
                let late = world.lateness();
                let world_then = Arc::clone(world);
                let (verb, process) = (verb, self.process);
                world.network.lock().spawn(async move {
                    world_then.pass(late).await;
                    if !world_then.is_calm() {
                        let took = call.await.is_ok();
                        world_then.note(format!("late {verb} of {process} arrives: {took}"));
                    }
                });
                return Err(world.interrupted());
            }
            Occurrence::LateRequest => world.pass(world.lateness()).await,
            _ => {}
        }
        let answer = call.await;
        match hit {
            Occurrence::LostAnswer => return Err(world.interrupted()),
            Occurrence::LateAnswer => world.pass(world.lateness()).await,
            _ => {}
        }
        self.until_moving().await;
        answer
    }

    async fn until_moving(&self) {
        loop {
            let end = *self.stalled_until.lock();
            if Instant::now() >= end || self.world.is_calm() {
                return;
            }
            self.world.pass_until(end).await;
        }
    }
}

/// The store at the far end of a wire.
pub(crate) struct WireBackend {
    inner: Arc<dyn Backend>,
    wire: Arc<Wire>,
}

impl WireBackend {
    pub(crate) fn new(inner: Arc<dyn Backend>, wire: Arc<Wire>) -> Self {
        Self { inner, wire }
    }
}

struct WireQueue {
    inner: Arc<dyn Queue>,
    wire: Arc<Wire>,
}

struct WireManagement {
    inner: Arc<dyn Management>,
    wire: Arc<Wire>,
}

#[async_trait]
impl Queue for WireQueue {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn lease(&self) -> Duration {
        self.inner.lease()
    }

    async fn publish(
        &self,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let inner = Arc::clone(&self.inner);
        let call = async move { inner.publish(messages, patience).await };
        self.wire.carry("publish", call).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let inner = Arc::clone(&self.inner);
        let call = async move { inner.receive(max, wait).await };
        self.wire.carry("receive", call).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        let (inner, receipts) = (Arc::clone(&self.inner), receipts.to_vec());
        let call = async move { inner.ack(&receipts).await };
        self.wire.carry("ack", call).await
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let inner = Arc::clone(&self.inner);
        let call = async move { inner.nack(nacks).await };
        self.wire.carry("nack", call).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        let (inner, receipts) = (Arc::clone(&self.inner), receipts.to_vec());
        let call = async move { inner.extend(&receipts).await };
        self.wire.carry("extend", call).await
    }

    async fn close(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        let call = async move { inner.close().await };
        self.wire.carry("close", call).await
    }
}

#[async_trait]
impl Management for WireManagement {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.inner.stats().await
    }

    async fn get(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        self.inner.get(id).await
    }

    async fn peek(&self, limit: usize) -> Result<Vec<StoredMessage>, Error> {
        self.inner.peek(limit).await
    }

    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error> {
        self.inner.list(state, page).await
    }

    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error> {
        let inner = Arc::clone(&self.inner);
        let call = async move { inner.cancel(target).await };
        self.wire.carry("cancel", call).await
    }

    async fn pause(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        self.wire
            .carry("pause", async move { inner.pause().await })
            .await
    }

    async fn resume(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        self.wire
            .carry("resume", async move { inner.resume().await })
            .await
    }

    async fn purge(&self) -> Result<u64, Error> {
        let inner = Arc::clone(&self.inner);
        self.wire
            .carry("purge", async move { inner.purge().await })
            .await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        self.inner.dead_letters(filter, page).await
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        let (inner, filter) = (Arc::clone(&self.inner), filter.clone());
        let call = async move { inner.redrive(&filter, limit).await };
        self.wire.carry("redrive", call).await
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        let (inner, filter) = (Arc::clone(&self.inner), filter.clone());
        let call = async move { inner.delete_dead_letters(&filter, limit).await };
        self.wire.carry("delete dead letters", call).await
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        let (inner, rule) = (Arc::clone(&self.inner), rule.clone());
        let call = async move { inner.set_rule(&rule).await };
        self.wire.carry("set_rule", call).await
    }

    async fn key_stats(&self, page: PageRequest) -> Result<Page<KeyStats>, Error> {
        self.inner.key_stats(page).await
    }

    async fn throttle_stats(&self, page: PageRequest) -> Result<Page<ThrottleStats>, Error> {
        self.inner.throttle_stats(page).await
    }

    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error> {
        self.inner.explain(id).await
    }
}

#[async_trait]
impl Backend for WireBackend {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.inner.create(name, config).await
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.wire.until_moving().await;
        if self.wire.world.hit().is_some() {
            let world = &self.wire.world;
            world.tell(Occurrence::RefusedOpen, self.wire.process);
            return Err(world.unavailable());
        }
        let inner = self.inner.open(name, expected).await?;
        let mut sessions = self.wire.sessions.lock();
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Arc::downgrade(&inner));
        Ok(Arc::new(WireQueue {
            inner,
            wire: Arc::clone(&self.wire),
        }))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        Ok(Arc::new(WireManagement {
            inner: self.inner.manage(name).await?,
            wire: Arc::clone(&self.wire),
        }))
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        self.inner.config(name).await
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.inner.update(name, config).await
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        self.inner.list().await
    }

    async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        self.inner.delete(name).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        self.inner.probe().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
