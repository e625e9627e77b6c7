use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Error, Explanation, KeyStats, Management,
    MessageId, Operation, Page, PageRequest, QueueName, Redriven, Rule, State, Stats,
    StoredMessage, ThrottleStats,
};

use crate::faults::{Faults, Site};

/// Steers a queue, and fails as the test says. Looking fails during an outage only.
pub(crate) struct FaultyManagement {
    pub(crate) inner: Arc<dyn Management>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) site: Site,
}

impl FaultyManagement {
    async fn around<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.faults.around(&self.site, operation, call).await
    }
}

#[async_trait]
impl Management for FaultyManagement {
    fn name(&self) -> &QueueName {
        self.inner.name()
    }

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.faults.check_outage()?;
        self.inner.stats().await
    }

    async fn get(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        self.faults.check_outage()?;
        self.inner.get(id).await
    }

    async fn peek(&self, limit: usize) -> Result<Vec<StoredMessage>, Error> {
        self.faults.check_outage()?;
        self.inner.peek(limit).await
    }

    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error> {
        self.faults.check_outage()?;
        self.inner.list(state, page).await
    }

    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error> {
        self.around(Operation::Cancel, self.inner.cancel(target))
            .await
    }

    async fn pause(&self) -> Result<(), Error> {
        self.around(Operation::Pause, self.inner.pause()).await
    }

    async fn resume(&self) -> Result<(), Error> {
        self.around(Operation::Resume, self.inner.resume()).await
    }

    async fn purge(&self) -> Result<u64, Error> {
        self.around(Operation::Purge, self.inner.purge()).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        self.faults.check_outage()?;
        self.inner.dead_letters(filter, page).await
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        self.around(Operation::Redrive, self.inner.redrive(filter, limit))
            .await
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        let call = self.inner.delete_dead_letters(filter, limit);
        self.around(Operation::DeleteDeadLetters, call).await
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        self.around(Operation::SetRule, self.inner.set_rule(rule))
            .await
    }

    async fn key_stats(&self, page: PageRequest) -> Result<Page<KeyStats>, Error> {
        self.faults.check_outage()?;
        self.inner.key_stats(page).await
    }

    async fn throttle_stats(&self, page: PageRequest) -> Result<Page<ThrottleStats>, Error> {
        self.faults.check_outage()?;
        self.inner.throttle_stats(page).await
    }

    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error> {
        self.faults.check_outage()?;
        self.inner.explain(id).await
    }
}
