use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Clock, DeadLetterFilter, Delivery, Error, Management, MessageId, NewMessage, PageRequest,
    PublishOutcome, Queue, Receipt, Redriven, SettleOutcome, State, StoredMessage, SystemClock,
    Timestamp,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

/// Forgets that messages expire.
struct Immortal;

#[async_trait]
impl Mutation for Immortal {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let forever = |message: NewMessage| message.with_expires_at(Timestamp::MAX);
        let messages = messages.into_iter().map(forever).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn expired_message_delivered() {
    assert_caught("expiry", "a_ready_message_expires", || Immortal);
}

#[test]
fn expired_scheduled_message_delivered() {
    assert_caught("expiry", "a_scheduled_message_expires", || Immortal);
}

#[test]
fn message_retried_after_its_expiry() {
    let case = "a_retry_after_the_expiry_removes_the_message";
    assert_caught("expiry", case, || Immortal);
}

#[test]
fn dead_letter_of_an_expired_message() {
    let case = "a_dead_letter_after_the_expiry_removes_the_message";
    assert_caught("expiry", case, || Immortal);
}

#[test]
fn message_back_from_its_lease_after_its_expiry() {
    let case = "a_lease_that_runs_out_after_the_expiry_removes_the_message";
    assert_caught("expiry", case, || Immortal);
}

fn has_expired(message: &forebay_queue_core::Message, now: Timestamp) -> bool {
    message.expires_at().is_some_and(|end| end <= now)
}

/// Takes the lease of what expires while it runs.
struct ExpiresRunning {
    clock: SystemClock,
    held: Mutex<Vec<Delivery>>,
}

#[async_trait]
impl Mutation for ExpiresRunning {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        self.held.lock().extend(deliveries.iter().cloned());
        Ok(deliveries)
    }

    async fn extend(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let mut outcomes = inner.extend(receipts).await?;
        let (now, held) = (self.clock.now(), self.held.lock());
        for (receipt, outcome) in receipts.iter().zip(&mut outcomes) {
            let delivery = held.iter().find(|delivery| delivery.receipt == *receipt);
            if delivery.is_some_and(|delivery| has_expired(&delivery.message, now)) {
                *outcome = SettleOutcome::LeaseLost;
            }
        }
        Ok(outcomes)
    }
}

#[test]
fn running_message_ended_by_its_expiry() {
    assert_caught("expiry", "a_running_message_finishes", || ExpiresRunning {
        clock: SystemClock::new(),
        held: Mutex::default(),
    });
}

/// Lets dead letters expire.
struct ExpiresDead(SystemClock);

#[async_trait]
impl Mutation for ExpiresDead {
    async fn get(
        &self,
        inner: &dyn Management,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, Error> {
        let stored = inner.get(id).await?;
        let now = self.0.now();
        Ok(stored
            .filter(|stored| stored.state != State::Dead || !has_expired(&stored.message, now)))
    }

    async fn redrive(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        let now = self.0.now();
        for dead in inner.dead_letters(filter, page).await?.items {
            if has_expired(&dead.message, now) {
                let one = DeadLetterFilter::id(dead.message.id());
                inner.delete_dead_letters(&one, 1).await?;
            }
        }
        inner.redrive(filter, limit).await
    }
}

#[test]
fn expired_dead_letter_gone() {
    assert_caught("expiry", "a_dead_letter_does_not_expire", || {
        ExpiresDead(SystemClock::new())
    });
}

#[test]
fn expired_message_not_redriven() {
    assert_caught("expiry", "a_redrive_lifts_the_expiry", || {
        ExpiresDead(SystemClock::new())
    });
}
