use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, DeadLetterFilter, Delivery, Error, Management, Nack, NackAction, NewMessage,
    PageRequest, PublishOutcome, Queue, QueueConfig, QueueName, Receipt, Redriven, Rule,
    SettleOutcome,
};
use futures_util::FutureExt;
use tokio::task::yield_now;

use crate::mutation::{Mutation, assert_caught};
use crate::sessions_seen::SessionsSeen;

const GROUP: &str = "cancel_safety";

/// What is received is removed when nobody waits for the answer any more.
struct DroppedReceiveLoses;

struct Lost<'a> {
    inner: &'a dyn Queue,
    receipts: Vec<Receipt>,
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        // The memory queue settles without waiting.
        let _ = self.inner.ack(&self.receipts).now_or_never();
    }
}

#[async_trait]
impl Mutation for DroppedReceiveLoses {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        let mut lost = Lost {
            inner,
            receipts: deliveries.iter().map(|d| d.receipt.clone()).collect(),
        };
        yield_now().await;
        lost.receipts.clear();
        Ok(deliveries)
    }
}

#[test]
fn a_dropped_receive_that_loses_a_message() {
    for case in [
        "a_dropped_receive_loses_nothing",
        "a_receive_dropped_while_it_waits_passes_its_message_on",
    ] {
        assert_caught(GROUP, case, || DroppedReceiveLoses);
    }
}

/// A batch is published one by one.
struct OneByOne;

#[async_trait]
impl Mutation for OneByOne {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let mut outcomes = Vec::new();
        for message in messages {
            outcomes.extend(inner.publish(vec![message], patience).await?);
            yield_now().await;
        }
        Ok(outcomes)
    }
}

#[test]
fn a_dropped_publish_that_is_there_in_part() {
    let case = "a_dropped_publish_is_there_whole_or_not_at_all";
    assert_caught(GROUP, case, || OneByOne);
}

/// A publisher goes on waiting for room when nobody waits for it any more.
#[derive(Default)]
struct GhostPublisher(SessionsSeen);

#[async_trait]
impl Mutation for GhostPublisher {
    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.0.open(inner, name, expected).await
    }

    async fn publish(
        &self,
        _inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let session = self.0.first();
        let task = tokio::spawn(async move { session.publish(messages, patience).await });
        task.await.expect("the memory queue does not panic")
    }
}

#[test]
fn a_dropped_publisher_who_publishes_later() {
    let case = "a_dropped_publisher_leaves_no_trace_in_the_line";
    assert_caught(GROUP, case, GhostPublisher::default);
}

/// A message is given back in two steps: removed, and published again.
#[derive(Default)]
struct TwoSteps(SessionsSeen);

#[async_trait]
impl Mutation for TwoSteps {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        self.0.give(&deliveries);
        Ok(deliveries)
    }

    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let mut outcomes = Vec::new();
        for nack in nacks {
            if nack.action == NackAction::DeadLetter {
                outcomes.extend(inner.nack(vec![nack]).await?);
                continue;
            }
            let given = self.0.given();
            let held = given.iter().find(|d| d.receipt == nack.receipt);
            let message = &held.expect("it was handed out").message;
            let again = NewMessage::new(message.kind().clone(), message.payload().clone());
            outcomes.extend(inner.ack(std::slice::from_ref(&nack.receipt)).await?);
            yield_now().await;
            inner.publish(vec![again], Duration::ZERO).await?;
        }
        Ok(outcomes)
    }
}

#[test]
fn a_dropped_nack_that_loses_a_message() {
    let case = "a_dropped_nack_leaves_each_message_in_one_place";
    assert_caught(GROUP, case, TwoSteps::default);
}

/// A redrive publishes the message first and removes the dead letter afterwards.
#[derive(Default)]
struct RedriveCopies(SessionsSeen);

#[async_trait]
impl Mutation for RedriveCopies {
    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.0.open(inner, name, expected).await
    }

    async fn redrive(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        let dead = inner
            .dead_letters(filter, PageRequest::first(limit))
            .await?;
        for stored in &dead.items {
            let message = &stored.message;
            let again = NewMessage::new(message.kind().clone(), message.payload().clone());
            self.0.first().publish(vec![again], Duration::ZERO).await?;
            yield_now().await;
            let one = DeadLetterFilter::id(message.id());
            inner.delete_dead_letters(&one, 1).await?;
        }
        Ok(Redriven {
            redriven: dead.items.len() as u64,
            full: false,
        })
    }
}

#[test]
fn a_dropped_redrive_that_doubles_a_message() {
    let case = "a_dropped_redrive_leaves_each_message_in_one_place";
    assert_caught(GROUP, case, RedriveCopies::default);
}

/// An update is made field by field.
struct FieldByField;

#[async_trait]
impl Mutation for FieldByField {
    async fn update(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let half = QueueConfig {
            capacity: config.capacity,
            ..inner.config(name).await?
        };
        inner.update(name, &half).await?;
        yield_now().await;
        inner.update(name, config).await
    }
}

#[test]
fn a_dropped_update_that_is_half_done() {
    let case = "a_dropped_create_update_or_delete_is_done_or_not";
    assert_caught(GROUP, case, || FieldByField);
}

/// A rule is removed before it is set anew.
struct RuleInTwoSteps;

#[async_trait]
impl Mutation for RuleInTwoSteps {
    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        if let Rule::LeaseLimit(key, _) = rule {
            inner.set_rule(&Rule::LeaseLimit(key.clone(), None)).await?;
            yield_now().await;
        }
        inner.set_rule(rule).await
    }
}

#[test]
fn a_rule_that_is_set_in_two_steps() {
    assert_caught(GROUP, "a_dropped_rule_is_set_or_not", || RuleInTwoSteps);
}
