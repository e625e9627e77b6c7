use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Error, Management, MessageId, Nack, NewMessage, PublishOutcome, Queue, QueueConfig,
    QueueName, SettleOutcome,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

fn full(inner: &dyn Queue, limit: usize) -> Error {
    Error::Full {
        queue: inner.name().clone(),
        what: "messages",
        limit,
    }
}

/// Capacity counts what waits and not what is leased.
#[derive(Default)]
struct LeasedAreFree {
    capacity: Mutex<usize>,
    management: Mutex<Option<Arc<dyn Management>>>,
}

#[async_trait]
impl Mutation for LeasedAreFree {
    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        *self.capacity.lock() = config.capacity;
        let roomy = QueueConfig {
            capacity: 10 * config.capacity,
            ..config.clone()
        };
        inner.create(name, &roomy).await?;
        *self.management.lock() = Some(inner.manage(name).await?);
        Ok(())
    }

    async fn stats(&self, inner: &dyn Management) -> Result<forebay_queue_core::Stats, Error> {
        let mut stats = inner.stats().await?;
        stats.capacity = *self.capacity.lock() as u64;
        Ok(stats)
    }

    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let management = self.management.lock().clone();
        let management = management.expect("the queue was made");
        let stats = management.stats().await?;
        let limit = *self.capacity.lock();
        if stats.ready + stats.scheduled + messages.len() as u64 > limit as u64 {
            return Err(full(inner, limit));
        }
        inner.publish(messages, patience).await
    }
}

#[test]
fn a_capacity_that_forgets_the_leased() {
    let case = "capacity_counts_scheduled_ready_and_leased";
    assert_caught("capacity", case, LeasedAreFree::default);
}

/// A full queue says that it has accepted and drops.
struct DropsSilently;

#[async_trait]
impl Mutation for DropsSilently {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let count = messages.len();
        match inner.publish(messages, patience).await {
            Err(Error::Full { .. }) => {
                let id = MessageId::from_bytes([8; 16]);
                Ok(vec![PublishOutcome::Accepted(id); count])
            }
            answer => answer,
        }
    }
}

#[test]
fn a_full_queue_that_drops_the_new() {
    let case = "nothing_is_dropped_to_make_room";
    assert_caught("capacity", case, || DropsSilently);
}

/// A full queue drops the oldest to make room.
struct DropsOldest;

#[async_trait]
impl Mutation for DropsOldest {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        match inner.publish(messages.clone(), patience).await {
            Err(Error::Full { .. }) => {
                for delivery in inner.receive(messages.len(), Duration::ZERO).await? {
                    inner.ack(&[delivery.receipt]).await?;
                }
                inner.publish(messages, Duration::ZERO).await
            }
            answer => answer,
        }
    }
}

#[test]
fn a_full_queue_that_drops_the_old() {
    let case = "nothing_is_dropped_to_make_room";
    assert_caught("capacity", case, || DropsOldest);
}

/// Full comes at once, whatever the patience.
struct NoPatience;

#[async_trait]
impl Mutation for NoPatience {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        _patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        inner.publish(messages, Duration::ZERO).await
    }
}

#[test]
fn a_patience_that_is_ignored() {
    let case = "full_comes_after_the_patience_and_not_before";
    assert_caught("capacity", case, || NoPatience);
    assert_caught("room", "an_ack_lets_a_waiting_publisher_go", || NoPatience);
}

/// Of a batch that does not fit, what fits is taken.
struct InPart;

#[async_trait]
impl Mutation for InPart {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let mut outcomes = Vec::new();
        for message in messages {
            outcomes.extend(inner.publish(vec![message], patience).await?);
        }
        Ok(outcomes)
    }
}

#[test]
fn a_batch_taken_in_part() {
    let case = "a_batch_that_does_not_fit_whole_is_not_taken_in_part";
    assert_caught("capacity", case, || InPart);
}

/// What comes back needs room like what is new.
struct NackNeedsRoom;

#[async_trait]
impl Mutation for NackNeedsRoom {
    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let probe = NewMessage::new(forebay_queue_conformance::message::KIND, "probe");
        let outcomes = inner.publish(vec![probe], Duration::ZERO).await;
        outcomes.map_err(|_| full(inner, 0))?;
        inner.nack(nacks).await
    }
}

#[test]
fn a_nack_refused_for_want_of_room() {
    let case = "settlement_is_never_refused_for_want_of_room";
    assert_caught("capacity", case, || NackNeedsRoom);
}
