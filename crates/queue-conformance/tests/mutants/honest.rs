//! Honest queues that declare other things than the memory queue: the suite must pass on them, and its other halves
//! are run by them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Capability, Durability, Error, Explanation, Management, MessageId,
    Moment, NewMessage, PublishOutcome, Queue, QueueConfig, QueueName, Timestamp,
};

use crate::mutation::Mutation;
use crate::sessions_seen::SessionsSeen;

/// Survives a crash, and is shared by several processes.
#[derive(Default)]
pub(crate) struct Shared(SessionsSeen);

#[async_trait]
impl Mutation for Shared {
    fn durability(&self) -> Durability {
        Durability::Buffered
    }

    fn capabilities(&self, can: Capabilities) -> Capabilities {
        Capabilities {
            shared: true,
            ..can
        }
    }

    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.0.open(inner, name, expected).await
    }

    /// One process goes, the others stay.
    async fn close_backend(&self, _inner: &dyn Backend) -> Result<(), Error> {
        for session in self.0.opened() {
            session.close().await?;
        }
        Ok(())
    }
}

const LARGEST_DELAY: Duration = Duration::from_hours(24 * 30);

/// Can do as little as a backend may.
pub(crate) struct Lean;

#[async_trait]
impl Mutation for Lean {
    fn capabilities(&self, can: Capabilities) -> Capabilities {
        Capabilities {
            ordering: false,
            fairness: false,
            lease_limits: false,
            throttling: false,
            retain_done: false,
            largest_delay: Some(LARGEST_DELAY),
            ..can
        }
    }

    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let now = forebay_queue_core::Environment::system().now();
        let latest = now.after(LARGEST_DELAY);
        let is_far = |at: Timestamp| at > latest;
        let too_far = |message: &NewMessage| match message.deliver() {
            Some(Moment::At(at)) => is_far(at),
            _ => false,
        };
        if messages.iter().any(too_far) {
            return Err(Error::Unsupported {
                backend: inner.backend(),
                capability: Capability::Delay,
            });
        }
        inner.publish(messages, patience).await
    }

    async fn explain(
        &self,
        inner: &dyn Management,
        id: MessageId,
    ) -> Result<Option<Explanation>, Error> {
        let Some(message) = inner.get(id).await? else {
            return Ok(None);
        };
        let is_paused = inner.stats().await?.paused;
        Ok(Some(Explanation::of(&message, is_paused)))
    }
}

mod shared {
    use super::Shared;
    use crate::durable::Durable;

    forebay_queue_conformance::suite!(Durable::new(Shared::default));
}

mod lean {
    use super::Lean;
    use crate::mutation::broken_memory;
    use forebay_queue_conformance::{InProcess, Timing};

    forebay_queue_conformance::suite!(InProcess::new(Timing::PAUSED, || broken_memory(Lean)));
}
