use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Delivery, Error, IdempotencyKey, MessageId, NewMessage, PublishOutcome, Queue, Receipt,
    SettleOutcome,
};
use parking_lot::Mutex;
use tokio::task::yield_now;

use crate::mutation::{Mutation, assert_caught};

const GROUP: &str = "crowd";

/// Once in a while a message is handed out to two at once.
#[derive(Default)]
struct SometimesTwice {
    count: AtomicUsize,
    copies: Mutex<Vec<Delivery>>,
}

#[async_trait]
impl Mutation for SometimesTwice {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        if let Some(copy) = self.copies.lock().pop() {
            return Ok(vec![copy]);
        }
        let deliveries = inner.receive(max, wait).await?;
        if self.count.fetch_add(1, Ordering::SeqCst) % 20 == 19 {
            self.copies.lock().extend(deliveries.first().cloned());
        }
        Ok(deliveries)
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        inner.ack(receipts).await?;
        Ok(vec![SettleOutcome::Done; receipts.len()])
    }
}

#[test]
fn a_message_handed_out_twice() {
    let case = "many_producers_and_consumers_do_each_message_exactly_once";
    assert_caught(GROUP, case, SometimesTwice::default);
}

/// A message that its holder forgets is gone.
struct AckedOnDelivery;

#[async_trait]
impl Mutation for AckedOnDelivery {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        let receipts: Vec<Receipt> = deliveries.iter().map(|d| d.receipt.clone()).collect();
        inner.ack(&receipts).await?;
        Ok(deliveries)
    }

    async fn ack(
        &self,
        _inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        Ok(vec![SettleOutcome::Done; receipts.len()])
    }
}

#[test]
fn a_session_that_takes_its_messages_with_it() {
    let case = "sessions_that_come_and_go_lose_nothing";
    assert_caught(GROUP, case, || AckedOnDelivery);
}

/// Only one of those who wait learns of a batch; the others find out when their wait is over.
struct WakesOne(tokio::sync::Mutex<()>);

#[async_trait]
impl Mutation for WakesOne {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let at_once = inner.receive(max, Duration::ZERO).await?;
        if !at_once.is_empty() || wait.is_zero() {
            return Ok(at_once);
        }
        let Ok(_first) = self.0.try_lock() else {
            // tidy: sleep — the mutant's fault; time is paused
            tokio::time::sleep(wait).await;
            return inner.receive(max, Duration::ZERO).await;
        };
        inner.receive(max, wait).await
    }
}

#[test]
fn waiting_ones_that_are_not_woken() {
    for case in [
        "every_waiting_receiver_gets_one_of_a_batch",
        "messages_one_by_one_reach_every_waiting_receiver",
    ] {
        assert_caught(GROUP, case, || WakesOne(tokio::sync::Mutex::new(())));
    }
}

/// Looks whether a key is known, and publishes afterwards.
#[derive(Default)]
struct LooksFirst(Mutex<HashMap<String, MessageId>>);

fn text(key: &IdempotencyKey) -> String {
    key.as_str().to_owned()
}

#[async_trait]
impl Mutation for LooksFirst {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let mut outcomes = Vec::new();
        for message in messages {
            let key = message.idempotency_key().map(text);
            let known = key.as_ref().and_then(|key| self.0.lock().get(key).copied());
            if let Some(id) = known {
                outcomes.push(PublishOutcome::Duplicate {
                    id,
                    same_fingerprint: true,
                });
                continue;
            }
            yield_now().await;
            let bare = NewMessage::new(message.kind().clone(), message.payload().clone());
            let published = inner.publish(vec![bare], patience).await?;
            let ids = key.zip(published.first().map(PublishOutcome::id));
            self.0.lock().extend(ids);
            outcomes.extend(published);
        }
        Ok(outcomes)
    }
}

#[test]
fn a_key_that_is_looked_up_too_early() {
    let case = "one_key_published_by_many_at_once_is_one_message";
    assert_caught(GROUP, case, LooksFirst::default);
}
