use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Error, Explanation, KeyStats, Management,
    MessageId, Page, PageRequest, QueueName, Redriven, Rule, State, Stats, StoredMessage,
    ThrottleStats, Timestamp,
};
use forebay_queue_engine::{Engine, TooManyRules};

use crate::backend::NAME;
use crate::shared::Shared;

/// Looks at a queue of the memory backend and steers it.
pub(crate) struct MemoryManagement(pub(crate) Arc<Shared>);

impl MemoryManagement {
    fn step<T>(&self, step: impl FnOnce(&mut Engine, Timestamp) -> T) -> Result<T, Error> {
        self.0.with(|state, now| {
            if state.deleted {
                return Err(Error::QueueNotFound {
                    queue: self.0.name.clone(),
                });
            }
            Ok(step(&mut state.engine, now))
        })
    }
}

#[async_trait]
impl Management for MemoryManagement {
    fn name(&self) -> &QueueName {
        &self.0.name
    }

    fn backend(&self) -> &'static str {
        NAME
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.step(Engine::stats)
    }

    async fn get(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        self.step(|engine, now| engine.get(now, id))
    }

    async fn peek(&self, limit: usize) -> Result<Vec<StoredMessage>, Error> {
        self.step(|engine, now| engine.peek(now, limit))
    }

    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error> {
        self.step(|engine, now| engine.list(now, state, &page))?
    }

    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error> {
        self.step(|engine, now| engine.cancel(now, &target))
    }

    async fn pause(&self) -> Result<(), Error> {
        self.step(|engine, _| engine.pause())
    }

    async fn resume(&self) -> Result<(), Error> {
        self.step(|engine, _| engine.resume())
    }

    async fn purge(&self) -> Result<u64, Error> {
        self.step(Engine::purge)
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        self.step(|engine, now| engine.dead_letters(now, filter, &page))?
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        self.step(|engine, now| engine.redrive(now, filter, limit))
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        self.step(|engine, now| engine.delete_dead_letters(now, filter, limit))
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        self.step(|engine, now| engine.set_rule(now, rule))?
            .map_err(|TooManyRules| Error::Full {
                queue: self.0.name.clone(),
                what: "rules of one kind",
                limit: Rule::MOST,
            })
    }

    async fn key_stats(&self, page: PageRequest) -> Result<Page<KeyStats>, Error> {
        self.step(|engine, now| engine.key_stats(now, &page))?
    }

    async fn throttle_stats(&self, page: PageRequest) -> Result<Page<ThrottleStats>, Error> {
        self.step(|engine, now| engine.throttle_stats(now, &page))?
    }

    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error> {
        self.step(|engine, now| engine.explain(now, id))
    }
}
