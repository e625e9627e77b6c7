use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Delivery, Error, NewMessage, PublishOutcome, Queue, Receipt, SettleOutcome,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

const GROUP: &str = "limits_and_errors";

/// A large payload is cut.
struct CutsPayloads;

#[async_trait]
impl Mutation for CutsPayloads {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let cut = |message: NewMessage| {
            let end = message.payload().len().min(65_536);
            let payload = message.payload().slice(..end);
            NewMessage::new(message.kind().clone(), payload)
        };
        inner
            .publish(messages.into_iter().map(cut).collect(), patience)
            .await
    }
}

#[test]
fn a_payload_that_is_cut() {
    let case = "a_payload_of_the_limit_passes_and_a_byte_more_does_not";
    assert_caught(GROUP, case, || CutsPayloads);
    assert_caught(GROUP, "a_batch_has_a_limit_of_bytes_too", || CutsPayloads);
}

/// A batch is taken up to half of what is declared.
struct SmallerBatches;

#[async_trait]
impl Mutation for SmallerBatches {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let limit = inner.capabilities().limits.batch / 2;
        if messages.len() > limit {
            return Err(Error::TooLarge {
                what: "messages in one publish",
                size: messages.len(),
                limit,
            });
        }
        inner.publish(messages, patience).await
    }
}

#[test]
fn a_limit_below_the_declared_one() {
    let case = "a_batch_of_the_limit_passes_and_one_more_does_not";
    assert_caught(GROUP, case, || SmallerBatches);
}

/// An id that is in use is replaced by a fresh one.
struct FreshIds;

#[async_trait]
impl Mutation for FreshIds {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        match inner.publish(messages.clone(), patience).await {
            Err(Error::Invalid { .. }) => {
                let bare = |m: NewMessage| NewMessage::new(m.kind().clone(), m.payload().clone());
                inner
                    .publish(messages.into_iter().map(bare).collect(), patience)
                    .await
            }
            answer => answer,
        }
    }
}

#[test]
fn an_id_that_is_used_twice() {
    assert_caught(GROUP, "an_id_in_use_is_refused", || FreshIds);
}

/// Receipts are looked up by their first bytes only.
#[derive(Default)]
struct LooseReceipts(Mutex<Vec<Receipt>>);

#[async_trait]
impl Mutation for LooseReceipts {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        let receipts = deliveries.iter().map(|delivery| delivery.receipt.clone());
        self.0.lock().extend(receipts);
        Ok(deliveries)
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let known = self.0.lock().clone();
        let alike = |asked: &Receipt| {
            let same = |known: &&Receipt| known.as_bytes()[..4] == *asked.as_bytes();
            let start = |known: &&Receipt| asked.as_bytes().starts_with(&known.as_bytes()[..4]);
            let found = known.iter().find(|known| same(known) || start(known));
            found.unwrap_or(asked).clone()
        };
        let receipts: Vec<Receipt> = receipts.iter().map(alike).collect();
        inner.ack(&receipts).await
    }
}

#[test]
fn a_forged_receipt_that_settles() {
    let case = "a_receipt_that_nobody_gave_settles_nothing";
    assert_caught(GROUP, case, LooseReceipts::default);
}

/// A message that does not fit is refused after those before it were taken.
struct RefusesLate;

#[async_trait]
impl Mutation for RefusesLate {
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
fn a_refusal_after_the_fact() {
    assert_caught(GROUP, "an_id_in_use_is_refused", || RefusesLate);
}
