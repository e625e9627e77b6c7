use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_conformance::{InProcess, Timing, try_run};
use forebay_queue_core::{
    Backend, CancelOutcome, CancelTarget, Capabilities, DeadLetterFilter, Delivery, Durability,
    Environment, Error, Explanation, Guarantees, Health, KeyStats, Management, MessageId, Nack,
    NewMessage, Page, PageRequest, PublishOutcome, Queue, QueueConfig, QueueName, Receipt,
    Redriven, Rule, SettleOutcome, State, Stats, StoredMessage, ThrottleStats,
};
use forebay_queue_memory::MemoryBackend;

/// What a mutant does otherwise. Each method stands in for one verb and forwards it unless the mutant says how it
/// breaks it. One value serves all sessions and all management of one backend, so it may remember things.
#[async_trait]
pub(crate) trait Mutation: Send + Sync + 'static {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        inner.publish(messages, patience).await
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        inner.receive(max, wait).await
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        inner.ack(receipts).await
    }

    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        inner.nack(nacks).await
    }

    async fn extend(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        inner.extend(receipts).await
    }

    async fn close(&self, inner: &dyn Queue) -> Result<(), Error> {
        inner.close().await
    }

    async fn stats(&self, inner: &dyn Management) -> Result<Stats, Error> {
        inner.stats().await
    }

    async fn get(
        &self,
        inner: &dyn Management,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, Error> {
        inner.get(id).await
    }

    async fn peek(
        &self,
        inner: &dyn Management,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Error> {
        inner.peek(limit).await
    }

    async fn list(
        &self,
        inner: &dyn Management,
        state: State,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        inner.list(state, page).await
    }

    async fn cancel(
        &self,
        inner: &dyn Management,
        target: CancelTarget,
    ) -> Result<CancelOutcome, Error> {
        inner.cancel(target).await
    }

    async fn pause(&self, inner: &dyn Management) -> Result<(), Error> {
        inner.pause().await
    }

    async fn resume(&self, inner: &dyn Management) -> Result<(), Error> {
        inner.resume().await
    }

    async fn purge(&self, inner: &dyn Management) -> Result<u64, Error> {
        inner.purge().await
    }

    async fn dead_letters(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        inner.dead_letters(filter, page).await
    }

    async fn redrive(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        inner.redrive(filter, limit).await
    }

    async fn delete_dead_letters(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        inner.delete_dead_letters(filter, limit).await
    }

    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        inner.set_rule(rule).await
    }

    async fn key_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<KeyStats>, Error> {
        inner.key_stats(page).await
    }

    async fn throttle_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<ThrottleStats>, Error> {
        inner.throttle_stats(page).await
    }

    async fn explain(
        &self,
        inner: &dyn Management,
        id: MessageId,
    ) -> Result<Option<Explanation>, Error> {
        inner.explain(id).await
    }

    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        inner.create(name, config).await
    }

    async fn update(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        inner.update(name, config).await
    }

    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        inner.open(name, expected).await
    }

    async fn delete(&self, inner: &dyn Backend, name: &QueueName) -> Result<(), Error> {
        inner.delete(name).await
    }

    async fn list_queues(&self, inner: &dyn Backend) -> Result<Vec<QueueName>, Error> {
        inner.list().await
    }

    async fn probe(&self, inner: &dyn Backend) -> Result<Guarantees, Error> {
        let found = inner.probe().await?;
        Ok(Guarantees {
            durability: self.durability(),
            ..found
        })
    }

    async fn close_backend(&self, inner: &dyn Backend) -> Result<(), Error> {
        inner.close().await
    }

    /// What is said to survive; [`Durable`](crate::durable::Durable) makes it true.
    fn durability(&self) -> Durability {
        Durability::Memory
    }

    /// What a restart does to what had been kept.
    async fn restarted(&self, _inner: &dyn Backend) {}

    /// What is declared, truly or not.
    fn capabilities(&self, can: Capabilities) -> Capabilities {
        can
    }
}

/// Asserts that a case passes on the memory queue and fails once a mutation is around it.
pub(crate) fn assert_caught<M: Mutation>(group: &str, name: &str, mutation: fn() -> M) {
    let plain = || InProcess::new(Timing::PAUSED, || memory() as Arc<dyn Backend>);
    assert!(
        try_run(group, name, plain).is_ok(),
        "{group}::{name} fails without the mutation"
    );
    let broken = || InProcess::new(Timing::PAUSED, move || broken_memory(mutation()));
    assert!(
        try_run(group, name, broken).is_err(),
        "{group}::{name} does not catch the mutation"
    );
}

/// The memory backend with a mutation around it.
pub(crate) fn broken_memory<M: Mutation>(mutation: M) -> Arc<dyn Backend> {
    Arc::new(Mutant::around(memory(), Arc::new(mutation)))
}

/// An empty memory backend. Each start has randomness of its own, as fencing tokens are made of it.
pub(crate) fn memory() -> Arc<MemoryBackend> {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let seed = STARTS.fetch_add(1, Ordering::Relaxed);
    Arc::new(MemoryBackend::new(Environment::seeded(seed)))
}

/// The memory backend with a mutation around everything it opens.
pub(crate) struct Mutant<M> {
    inner: Arc<MemoryBackend>,
    mutation: Arc<M>,
    capabilities: Capabilities,
}

impl<M: Mutation> Mutant<M> {
    pub(crate) fn around(inner: Arc<MemoryBackend>, mutation: Arc<M>) -> Self {
        let honest = Capabilities {
            durability: mutation.durability(),
            ..inner.capabilities().clone()
        };
        Self {
            capabilities: mutation.capabilities(honest),
            mutation,
            inner,
        }
    }
}

#[async_trait]
impl<M: Mutation> Backend for Mutant<M> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.mutation.create(&*self.inner, name, config).await
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        Ok(Arc::new(MutantQueue {
            inner: self.mutation.open(&*self.inner, name, expected).await?,
            mutation: Arc::clone(&self.mutation),
            capabilities: self.capabilities.clone(),
        }))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        Ok(Arc::new(MutantManagement {
            inner: self.inner.manage(name).await?,
            mutation: Arc::clone(&self.mutation),
        }))
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        self.inner.config(name).await
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        self.mutation.update(&*self.inner, name, config).await
    }

    async fn list(&self) -> Result<Vec<QueueName>, Error> {
        self.mutation.list_queues(&*self.inner).await
    }

    async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        self.mutation.delete(&*self.inner, name).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn probe(&self) -> Result<Guarantees, Error> {
        self.mutation.probe(&*self.inner).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.mutation.close_backend(&*self.inner).await
    }
}

struct MutantQueue<M> {
    inner: Arc<dyn Queue>,
    mutation: Arc<M>,
    capabilities: Capabilities,
}

#[async_trait]
impl<M: Mutation> Queue for MutantQueue<M> {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn lease(&self) -> Duration {
        self.inner.lease()
    }

    async fn publish(
        &self,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        self.mutation
            .publish(&*self.inner, messages, patience)
            .await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        self.mutation.receive(&*self.inner, max, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.mutation.ack(&*self.inner, receipts).await
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        self.mutation.nack(&*self.inner, nacks).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.mutation.extend(&*self.inner, receipts).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.mutation.close(&*self.inner).await
    }
}

struct MutantManagement<M> {
    inner: Arc<dyn Management>,
    mutation: Arc<M>,
}

#[async_trait]
impl<M: Mutation> Management for MutantManagement<M> {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.mutation.stats(&*self.inner).await
    }

    async fn get(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        self.mutation.get(&*self.inner, id).await
    }

    async fn peek(&self, limit: usize) -> Result<Vec<StoredMessage>, Error> {
        self.mutation.peek(&*self.inner, limit).await
    }

    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error> {
        self.mutation.list(&*self.inner, state, page).await
    }

    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error> {
        self.mutation.cancel(&*self.inner, target).await
    }

    async fn pause(&self) -> Result<(), Error> {
        self.mutation.pause(&*self.inner).await
    }

    async fn resume(&self) -> Result<(), Error> {
        self.mutation.resume(&*self.inner).await
    }

    async fn purge(&self) -> Result<u64, Error> {
        self.mutation.purge(&*self.inner).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        self.mutation.dead_letters(&*self.inner, filter, page).await
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        self.mutation.redrive(&*self.inner, filter, limit).await
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        self.mutation
            .delete_dead_letters(&*self.inner, filter, limit)
            .await
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        self.mutation.set_rule(&*self.inner, rule).await
    }

    async fn key_stats(&self, page: PageRequest) -> Result<Page<KeyStats>, Error> {
        self.mutation.key_stats(&*self.inner, page).await
    }

    async fn throttle_stats(&self, page: PageRequest) -> Result<Page<ThrottleStats>, Error> {
        self.mutation.throttle_stats(&*self.inner, page).await
    }

    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error> {
        self.mutation.explain(&*self.inner, id).await
    }
}
