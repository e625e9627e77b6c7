use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Delivery, Error, Nack, NewMessage, PublishOutcome, Queue, Receipt, SettleOutcome,
};
use tokio::time::Instant;

use crate::mutation::{Mutation, assert_caught};

/// Publishes a batch message by message, so that it can stop in the middle.
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
        }
        Ok(outcomes)
    }
}

#[test]
fn half_a_batch_taken_before_an_id_in_use() {
    assert_caught("batches", "an_id_that_the_queue_knows_is_refused", || {
        OneByOne
    });
}

/// Answers in the wrong order.
struct WrongOrder;

fn backwards<T>(mut outcomes: Vec<T>) -> Vec<T> {
    outcomes.reverse();
    outcomes
}

#[async_trait]
impl Mutation for WrongOrder {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        inner.publish(messages, patience).await.map(backwards)
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        inner.ack(receipts).await.map(backwards)
    }

    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        inner.nack(nacks).await.map(backwards)
    }

    async fn extend(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        inner.extend(receipts).await.map(backwards)
    }
}

#[test]
fn publish_outcomes_in_the_wrong_order() {
    let case = "publish_outcomes_stand_in_the_order_of_the_messages";
    assert_caught("batches", case, || WrongOrder);
}

#[test]
fn ack_outcomes_in_the_wrong_order() {
    let case = "ack_outcomes_stand_in_the_order_of_the_receipts";
    assert_caught("batches", case, || WrongOrder);
}

#[test]
fn nack_outcomes_in_the_wrong_order() {
    let case = "nack_outcomes_stand_in_the_order_of_the_receipts";
    assert_caught("batches", case, || WrongOrder);
}

#[test]
fn extend_outcomes_in_the_wrong_order() {
    let case = "extend_outcomes_stand_in_the_order_of_the_receipts";
    assert_caught("batches", case, || WrongOrder);
}

/// Does with all what the first nack of the batch says.
struct OneWay;

#[async_trait]
impl Mutation for OneWay {
    async fn nack(
        &self,
        inner: &dyn Queue,
        mut nacks: Vec<Nack>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        if let Some(first) = nacks.first().map(|nack| nack.action) {
            for nack in &mut nacks {
                nack.action = first;
            }
        }
        inner.nack(nacks).await
    }
}

#[test]
fn one_way_for_all_nacks() {
    assert_caught("batches", "each_nack_of_a_batch_goes_its_own_way", || {
        OneWay
    });
}

/// Says `Done` to both when a receipt stands twice in a batch.
struct TwiceDone;

#[async_trait]
impl Mutation for TwiceDone {
    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let mut outcomes = inner.ack(receipts).await?;
        for place in 1..receipts.len() {
            if let Some(first) = receipts[..place].iter().position(|r| *r == receipts[place]) {
                outcomes[place] = outcomes[first];
            }
        }
        Ok(outcomes)
    }
}

#[test]
fn a_receipt_counted_twice() {
    let case = "a_receipt_that_stands_twice_in_a_batch_counts_once";
    assert_caught("batches", case, || TwiceDone);
}

/// Gives one more than was asked for.
struct OneMore;

#[async_trait]
impl Mutation for OneMore {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        inner.receive(max + 1, wait).await
    }
}

#[test]
fn more_than_was_asked_for() {
    let case = "a_receive_gives_no_more_than_was_asked_for";
    assert_caught("batches", case, || OneMore);
}

/// Waits until the batch is complete.
struct Completes;

#[async_trait]
impl Mutation for Completes {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let end = Instant::now() + wait;
        let mut deliveries = inner.receive(max, wait).await?;
        while deliveries.len() < max && Instant::now() < end {
            let left = end - Instant::now();
            deliveries.extend(inner.receive(max - deliveries.len(), left).await?);
        }
        Ok(deliveries)
    }
}

#[test]
fn a_batch_completed_before_it_is_handed_out() {
    let case = "a_receive_for_more_than_there_is_does_not_wait_for_more";
    assert_caught("batches", case, || Completes);
}
