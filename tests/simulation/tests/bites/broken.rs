//! A store that breaks one promise.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, CancelOutcome, CancelTarget, Capabilities, DeadLetterFilter, Delivery, Error,
    Explanation, Guarantees, Health, KeyStats, Management, MessageId, Nack, NackAction, NewMessage,
    Page, PageRequest, PublishOutcome, Queue, QueueConfig, QueueName, Receipt, Redriven, Rule,
    SettleOutcome, State, Stats, StoredMessage, ThrottleStats,
};
use parking_lot::Mutex;

/// How the store is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Not at all.
    None,
    /// Every 20th publish is accepted and thrown away.
    LosesPublishes,
    /// A retry or release ends the message.
    ForgetsNacks,
    /// What comes back after its lease ran out is thrown away.
    LosesExpiredLeases,
    /// Payloads come out with one byte more.
    AltersPayloads,
    /// Every 20th delivery is handed out again while it is leased.
    DeliversTwice,
    /// A late receipt is answered as if it had been in time.
    TakesStaleReceipts,
    /// Every 10th ack is confirmed and not carried out.
    LiesAboutAcks,
    /// Every delivery says that it is the first.
    ForgetsAttempts,
    /// Delays are ignored.
    HandsOutEarly,
    /// Idempotency keys are ignored.
    ForgetsKeys,
    /// A message too many is counted at rest.
    Miscounts,
    /// A third delivery of a message is put off for minutes.
    Dawdles,
    /// A nack keeps the whole thread busy for a minute.
    Blocks,
}

#[derive(Default)]
struct Memory {
    calls: AtomicU64,
    /// Deliveries to be handed out a second time.
    again: Mutex<Vec<Delivery>>,
    /// Messages whose lease has not been settled.
    open: Mutex<HashSet<MessageId>>,
    receipts: Mutex<Vec<(Receipt, MessageId)>>,
}

pub(crate) struct Broken<T: ?Sized> {
    flaw: Flaw,
    memory: Arc<Memory>,
    inner: Arc<T>,
}

pub(crate) fn broken(flaw: Flaw) -> impl Fn(Arc<dyn Backend>) -> Arc<dyn Backend> {
    move |inner| {
        Arc::new(Broken {
            flaw,
            memory: Arc::default(),
            inner,
        })
    }
}

impl<T: ?Sized> Broken<T> {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Every so many calls, of those that ask.
    fn every(&self, flaw: Flaw, calls: u64) -> bool {
        self.is(flaw)
            && self
                .memory
                .calls
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(calls)
    }

    fn around<U: ?Sized>(&self, inner: Arc<U>) -> Broken<U> {
        Broken {
            flaw: self.flaw,
            memory: Arc::clone(&self.memory),
            inner,
        }
    }

    /// A message as the flaw lets it in.
    fn bent(&self, message: NewMessage) -> NewMessage {
        match self.flaw {
            Flaw::HandsOutEarly => message.with_delay(Duration::ZERO),
            Flaw::ForgetsKeys => {
                let mut plain = NewMessage::new(message.kind().clone(), message.payload().to_vec());
                if let Some(id) = message.id() {
                    plain = plain.with_id(id);
                }
                plain.with_headers(message.headers().clone())
            }
            Flaw::AltersPayloads if message.deliver().is_none() && message.expires().is_none() => {
                let payload = [message.payload().as_ref(), b" "].concat();
                let mut altered = NewMessage::new(message.kind().clone(), payload);
                if let Some(id) = message.id() {
                    altered = altered.with_id(id);
                }
                if let Some(key) = message.idempotency_key() {
                    altered = altered.with_idempotency_key(key.clone());
                }
                altered
            }
            _ => message,
        }
    }
}

impl Broken<dyn Queue> {
    fn settled(&self, receipts: &[Receipt]) {
        if !self.is(Flaw::LosesExpiredLeases) {
            return;
        }
        let mut open = self.memory.open.lock();
        let known = self.memory.receipts.lock();
        for (receipt, id) in known.iter() {
            if receipts.contains(receipt) {
                open.remove(id);
            }
        }
    }

    fn answered(&self, mut outcomes: Vec<SettleOutcome>) -> Vec<SettleOutcome> {
        if self.is(Flaw::TakesStaleReceipts) {
            outcomes.fill(SettleOutcome::Done);
        }
        outcomes
    }

    /// What becomes of a delivery on its way out; `None` when it does not get out.
    async fn handed(&self, mut delivery: Delivery) -> Result<Option<Delivery>, Error> {
        let receipt = std::slice::from_ref(&delivery.receipt);
        match self.flaw {
            // Not for ever, or what is poison would never end.
            Flaw::ForgetsAttempts if delivery.attempt < 4 => delivery.attempt = 1,
            Flaw::DeliversTwice if self.every(Flaw::DeliversTwice, 20) => {
                self.memory.again.lock().push(delivery.clone());
            }
            Flaw::LosesExpiredLeases => {
                let id = delivery.message.id();
                if !self.memory.open.lock().insert(id) {
                    self.inner.ack(receipt).await?;
                    return Ok(None);
                }
                let seen = (delivery.receipt.clone(), id);
                self.memory.receipts.lock().push(seen);
            }
            Flaw::Dawdles if delivery.attempt >= 3 => {
                let after = Duration::from_mins(2);
                delivery.release(&*self.inner, after).await?;
                return Ok(None);
            }
            _ => {}
        }
        Ok(Some(delivery))
    }
}

#[async_trait]
impl Queue for Broken<dyn Queue> {
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
        let ids: Option<Vec<_>> = messages.iter().map(NewMessage::id).collect();
        if let Some(ids) = ids
            && messages.iter().all(|m| m.idempotency_key().is_none())
            && self.every(Flaw::LosesPublishes, 20)
        {
            return Ok(ids.into_iter().map(PublishOutcome::Accepted).collect());
        }
        let messages = messages.into_iter().map(|m| self.bent(m)).collect();
        self.inner.publish(messages, patience).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let again = std::mem::take(&mut *self.memory.again.lock());
        if !again.is_empty() {
            return Ok(again);
        }
        let mut deliveries = Vec::new();
        for delivery in self.inner.receive(max, wait).await? {
            deliveries.extend(self.handed(delivery).await?);
        }
        Ok(deliveries)
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        if self.every(Flaw::LiesAboutAcks, 10) {
            return Ok(vec![SettleOutcome::Done; receipts.len()]);
        }
        self.settled(receipts);
        Ok(self.answered(self.inner.ack(receipts).await?))
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let receipts: Vec<_> = nacks.iter().map(|nack| nack.receipt.clone()).collect();
        self.settled(&receipts);
        if self.every(Flaw::Blocks, 5) {
            tokio::time::advance(Duration::from_mins(1)).await;
        }
        let dies = |nack: &Nack| nack.action == NackAction::DeadLetter;
        if self.is(Flaw::ForgetsNacks) && !nacks.iter().any(dies) {
            return self.inner.ack(&receipts).await;
        }
        Ok(self.answered(self.inner.nack(nacks).await?))
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        self.inner.extend(receipts).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[async_trait]
impl Management for Broken<dyn Management> {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let mut stats = self.inner.stats().await?;
        stats.dead += u64::from(self.is(Flaw::Miscounts));
        Ok(stats)
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
        self.inner.dead_letters(filter, page).await
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        self.inner.redrive(filter, limit).await
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        self.inner.delete_dead_letters(filter, limit).await
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        self.inner.set_rule(rule).await
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
impl Backend for Broken<dyn Backend> {
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
        let inner = self.inner.open(name, expected).await?;
        Ok(Arc::new(self.around(inner)))
    }

    async fn manage(&self, name: &QueueName) -> Result<Arc<dyn Management>, Error> {
        let inner = self.inner.manage(name).await?;
        Ok(Arc::new(self.around(inner)))
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
