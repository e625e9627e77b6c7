//! Looks at a queue and steers it.

use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    CancelOutcome, CancelTarget, Capability, DeadLetterFilter, Error, Explanation, KeyStats,
    Management, MessageId, Page, PageRequest, QueueName, Redriven, Rule, State, Stats,
    StoredMessage, ThrottleStats,
};

use crate::NAME;
use crate::answer::Items;
use crate::entry;
use crate::handle::Handle;
use crate::script::{self, Script};

/// Looks at a queue and steers it. Every call settles time first, so what it answers is exact.
pub(crate) struct RedisManagement {
    handle: Handle,
}

impl RedisManagement {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Runs a script that lets time pass first, again until it has got through. Answers the items that follow.
    pub(crate) async fn settled(
        &self,
        script: &'static Script,
        arguments: Vec<Vec<u8>>,
    ) -> Result<Items, Error> {
        loop {
            let answer = self.handle.call(script, arguments.clone()).await?;
            let mut items = Items::of(answer)?;
            let (lost, dropped) = (items.number()?, items.number()?);
            self.report(lost, dropped);
            if items.number()? == 1 {
                return Ok(items);
            }
        }
    }

    /// What came to light while time passed.
    fn report(&self, lost: u64, dropped: u64) {
        let queue = self.handle.name.as_str();
        if lost > 0 {
            tracing::error!(
                queue,
                lost,
                "messages that the queue knew were gone from the server"
            );
        }
        self.handle.warn_of_dropped(dropped);
    }

    async fn count(&self, script: &'static Script, arguments: Vec<Vec<u8>>) -> Result<u64, Error> {
        let answer = self.handle.call(script, arguments).await?;
        Items::of(redis::Value::Array(vec![answer]))?.number()
    }

    /// Deletes these dead letters; answers how many there still were.
    pub(crate) async fn delete_these(&self, arguments: Vec<Vec<u8>>) -> Result<u64, Error> {
        self.count(&script::DELDEAD, arguments).await
    }
}

#[async_trait]
impl Management for RedisManagement {
    fn name(&self) -> &QueueName {
        &self.handle.name
    }

    fn backend(&self) -> &'static str {
        NAME
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let mut items = self.settled(&script::STATS, vec![]).await?;
        Ok(Stats {
            scheduled: items.number()?,
            ready: items.number()?,
            leased: items.number()?,
            done: items.number()?,
            dead: items.number()?,
            dead_dropped: items.number()?,
            idempotency_keys: items.number()?,
            capacity: items.number()?,
            paused: items.number()? == 1,
            oldest_age: items.optional_number()?.map(Duration::from_micros),
        })
    }

    async fn get(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        self.get_one(id).await
    }

    async fn peek(&self, limit: usize) -> Result<Vec<StoredMessage>, Error> {
        self.peek_all(limit).await
    }

    async fn list(&self, state: State, page: PageRequest) -> Result<Page<StoredMessage>, Error> {
        self.list_page(state, &page).await
    }

    async fn cancel(&self, target: CancelTarget) -> Result<CancelOutcome, Error> {
        let arguments = match target {
            CancelTarget::Id(id) => vec![id.as_bytes().to_vec(), vec![]],
            CancelTarget::Key(key) => vec![vec![], entry::key_hash(&key).to_vec()],
        };
        let mut items = self.settled(&script::CANCEL, arguments).await?;
        match items.number()? {
            0 => Ok(CancelOutcome::Cancelled),
            1 => Ok(CancelOutcome::NotFound),
            2 => Ok(CancelOutcome::AlreadyRunning),
            _ => Ok(CancelOutcome::AlreadyOver),
        }
    }

    async fn pause(&self) -> Result<(), Error> {
        self.count(&script::PAUSE, vec![]).await.map(drop)
    }

    async fn resume(&self) -> Result<(), Error> {
        self.count(&script::RESUME, vec![]).await.map(drop)
    }

    async fn purge(&self) -> Result<u64, Error> {
        let mut place = vec![Vec::new(); 3];
        let mut removed = 0;
        loop {
            let mut items = self.settled(&script::PURGE, place).await?;
            removed += items.number()?;
            if items.number()? == 0 {
                return Ok(removed);
            }
            place = vec![items.text()?, items.text()?, items.text()?];
        }
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        self.dead_page(filter, &page).await
    }

    async fn redrive(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Redriven, Error> {
        self.redrive_matching(filter, limit).await
    }

    async fn delete_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        self.delete_matching(filter, limit).await
    }

    async fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        Err(unsupported(match rule {
            Rule::LeaseLimit(..) => Capability::LeaseLimits,
            Rule::Throttle(..) => Capability::Throttling,
            _ => Capability::Fairness,
        }))
    }

    async fn key_stats(&self, _: PageRequest) -> Result<Page<KeyStats>, Error> {
        Err(unsupported(Capability::Fairness))
    }

    async fn throttle_stats(&self, _: PageRequest) -> Result<Page<ThrottleStats>, Error> {
        Err(unsupported(Capability::Throttling))
    }

    async fn explain(&self, id: MessageId) -> Result<Option<Explanation>, Error> {
        let Some(message) = self.get(id).await? else {
            return Ok(None);
        };
        let is_paused = self.stats().await?.paused;
        Ok(Some(Explanation::of(&message, is_paused)))
    }
}

fn unsupported(capability: Capability) -> Error {
    Error::Unsupported {
        backend: NAME,
        capability,
    }
}
