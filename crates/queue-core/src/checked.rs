use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Backend, CancelOutcome, CancelTarget, Capabilities, Capability, DeadLetterFilter, Delivery,
    Error, Explanation, Guarantees, Health, KeyStats, Management, MessageId, Moment, Nack,
    NackAction, NewMessage, Page, PageRequest, PublishOutcome, Queue, QueueConfig, QueueName,
    Receipt, Redriven, Rule, SettleOutcome, State, Stats, StoredMessage, ThrottleStats,
};

/// Wraps a backend so that what breaks a limit, or asks for what the backend lacks, is refused before
/// anything has happened.
pub fn guarded(backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Guarded { inner: backend })
}

struct Guarded<T: ?Sized> {
    inner: Arc<T>,
}

struct GuardedManagement {
    inner: Arc<dyn Management>,
    can: Capabilities,
}

impl GuardedManagement {
    fn require(&self, has: bool, capability: Capability) -> Result<(), Error> {
        require(self.inner.backend(), has, capability)
    }
}

fn require(backend: &'static str, has: bool, capability: Capability) -> Result<(), Error> {
    if has {
        return Ok(());
    }
    Err(Error::Unsupported {
        backend,
        capability,
    })
}

fn check_delay(queue: &dyn Queue, delay: Duration) -> Result<(), Error> {
    let fits = queue
        .capabilities()
        .largest_delay
        .is_none_or(|most| delay <= most);
    require(queue.backend(), fits, Capability::Delay)
}

fn check_message(queue: &dyn Queue, message: &NewMessage) -> Result<(), Error> {
    let can = queue.capabilities();
    let backend = queue.backend();
    require(
        backend,
        can.fairness || message.weight().is_none(),
        Capability::Fairness,
    )?;
    require(
        backend,
        can.throttling || message.throttle_keys().is_empty(),
        Capability::Throttling,
    )?;
    match message.deliver() {
        Some(Moment::After(delay)) => check_delay(queue, delay),
        // How far away an absolute time is, only the store's clock can say; it refuses by itself.
        Some(Moment::At(_)) | None => Ok(()),
    }
}

fn check_config(backend: &dyn Backend, config: &QueueConfig) -> Result<(), Error> {
    config.validate()?;
    let can = backend.capabilities();
    let own = config.dead_letter_queue.is_none();
    require(
        backend.name(),
        can.dead_letter_queue || own,
        Capability::DeadLetterQueue,
    )?;
    require(
        backend.name(),
        can.retain_done || config.retain_done.is_zero(),
        Capability::RetainDone,
    )
}

fn check_count(what: &'static str, count: usize, most: usize) -> Result<(), Error> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(Error::Invalid {
        what,
        problem: format!("{count} is out of range"),
        allowed: if most == PageRequest::MAX_LIMIT {
            "1 to 1000"
        } else {
            "at least 1"
        },
    })
}

#[async_trait]
impl Queue for Guarded<dyn Queue> {
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
        self.capabilities().limits.check_messages(&messages)?;
        for message in &messages {
            check_message(&*self.inner, message)?;
        }
        self.inner.publish(messages, patience).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        check_count("receive: max", max, usize::MAX)?;
        let most = self.capabilities().limits.batch;
        self.inner.receive(max.min(most), wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.capabilities()
            .limits
            .check_batch("receipts in one ack", receipts.len())?;
        self.inner.ack(receipts).await
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        self.capabilities()
            .limits
            .check_batch("receipts in one nack", nacks.len())?;
        for nack in &nacks {
            if let NackAction::Retry { after } | NackAction::Release { after } = nack.action {
                check_delay(&*self.inner, after)?;
            }
        }
        self.inner.nack(nacks).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.capabilities()
            .limits
            .check_batch("receipts in one extend", receipts.len())?;
        self.inner.extend(receipts).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[async_trait]
impl Management for GuardedManagement {
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
        check_count("peek: limit", limit, PageRequest::MAX_LIMIT)?;
        self.inner.peek(limit).await
    }

    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error> {
        check_count("list: limit", page.limit, PageRequest::MAX_LIMIT)?;
        self.inner.list(state, page).await
    }

    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error> {
        self.inner.cancel(target).await
    }

    async fn pause(&self) -> Result<(), Error> {
        self.inner.pause().await
    }

    async fn resume(&self) -> Result<(), Error> {
        self.inner.resume().await
    }

    async fn purge(&self) -> Result<u64, Error> {
        self.inner.purge().await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        check_count("dead letters: limit", page.limit, PageRequest::MAX_LIMIT)?;
        self.inner.dead_letters(filter, page).await
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        check_count("redrive: limit", limit, usize::MAX)?;
        self.inner.redrive(filter, limit).await
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        check_count("delete dead letters: limit", limit, usize::MAX)?;
        self.inner.delete_dead_letters(filter, limit).await
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        match rule {
            Rule::Weight(..) => self.require(self.can.fairness, Capability::Fairness)?,
            Rule::LeaseLimit(..) => self.require(self.can.lease_limits, Capability::LeaseLimits)?,
            Rule::Throttle(..) => self.require(self.can.throttling, Capability::Throttling)?,
        }
        self.inner.set_rule(rule).await
    }

    async fn key_stats(&self, page: PageRequest) -> Result<Page<KeyStats>, Error> {
        let can = self.can.fairness || self.can.lease_limits;
        self.require(can, Capability::Fairness)?;
        check_count("fairness keys: limit", page.limit, PageRequest::MAX_LIMIT)?;
        self.inner.key_stats(page).await
    }

    async fn throttle_stats(&self, page: PageRequest) -> Result<Page<ThrottleStats>, Error> {
        self.require(self.can.throttling, Capability::Throttling)?;
        check_count("throttle keys: limit", page.limit, PageRequest::MAX_LIMIT)?;
        self.inner.throttle_stats(page).await
    }

    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error> {
        self.inner.explain(id).await
    }
}

#[async_trait]
impl Backend for Guarded<dyn Backend> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn create(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        check_config(&*self.inner, config)?;
        self.inner.create(name, config).await
    }

    async fn open(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        Ok(Arc::new(Guarded {
            inner: self.inner.open(name, expected).await?,
        }))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        Ok(Arc::new(GuardedManagement {
            inner: self.inner.manage(name).await?,
            can: self.inner.capabilities().clone(),
        }))
    }

    async fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        self.inner.config(name).await
    }

    async fn update(&self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        check_config(&*self.inner, config)?;
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
