use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    CancelOutcome, CancelTarget, DeadLetterFilter, Delivery, Error, IdempotencyKey, Management,
    Nack, NackAction, NewMessage, PublishOutcome, Queue, Receipt, Redriven, SettleOutcome,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

/// When a mutant forgets a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Leased,
    Acked,
    Retried,
    Released,
    Dead,
    Redriven,
    Deleted,
    Cancelled,
    Purged,
}

/// Forgets all keys, or those of the messages concerned, when something happens.
struct Forgets {
    when: When,
    /// How often a key was forgotten; a number behind it makes it another one.
    times: Mutex<HashMap<String, usize>>,
    /// The keys of deliveries, as they were given.
    held: Mutex<HashMap<Receipt, String>>,
    /// All keys that were published.
    seen: Mutex<HashSet<String>>,
}

impl Forgets {
    fn at(when: When) -> Self {
        Self {
            when,
            times: Mutex::default(),
            held: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    fn disguise(&self, given: &str) -> IdempotencyKey {
        let times = self.times.lock().get(given).copied().unwrap_or(0);
        IdempotencyKey::new(format!("{given} {times}")).expect("a mutant's key is valid")
    }

    fn forget(&self, given: String) {
        *self.times.lock().entry(given).or_default() += 1;
    }

    fn forget_held(&self, when: When, receipt: &Receipt) {
        if self.when == when
            && let Some(given) = self.held.lock().get(receipt)
        {
            self.forget(given.clone());
        }
    }

    fn forget_all(&self, when: When) {
        if self.when == when {
            let seen = self.seen.lock().clone();
            for given in seen {
                self.forget(given);
            }
        }
    }
}

#[async_trait]
impl Mutation for Forgets {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let disguised = |message: NewMessage| match message.idempotency_key() {
            Some(key) => {
                let given = key.as_str().to_owned();
                let key = self.disguise(&given);
                self.seen.lock().insert(given);
                message.with_idempotency_key(key)
            }
            None => message,
        };
        let messages = messages.into_iter().map(disguised).collect();
        inner.publish(messages, patience).await
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        for delivery in &deliveries {
            let key = delivery.message.idempotency_key();
            if let Some((given, _)) = key.and_then(|key| key.as_str().rsplit_once(' ')) {
                let receipt = delivery.receipt.clone();
                self.held.lock().insert(receipt, given.to_owned());
                self.forget_held(When::Leased, &delivery.receipt);
            }
        }
        Ok(deliveries)
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        for receipt in receipts {
            self.forget_held(When::Acked, receipt);
        }
        inner.ack(receipts).await
    }

    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &nacks {
            let when = match nack.action {
                NackAction::Retry { .. } => When::Retried,
                NackAction::Release { .. } => When::Released,
                NackAction::DeadLetter => When::Dead,
            };
            self.forget_held(when, &nack.receipt);
        }
        inner.nack(nacks).await
    }

    async fn cancel(
        &self,
        inner: &dyn Management,
        target: CancelTarget,
    ) -> Result<CancelOutcome, Error> {
        let target = match target {
            CancelTarget::Key(key) => CancelTarget::Key(self.disguise(key.as_str())),
            CancelTarget::Id(id) => CancelTarget::Id(id),
        };
        let outcome = inner.cancel(target).await;
        self.forget_all(When::Cancelled);
        outcome
    }

    async fn purge(&self, inner: &dyn Management) -> Result<u64, Error> {
        self.forget_all(When::Purged);
        inner.purge().await
    }

    async fn redrive(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        self.forget_all(When::Redriven);
        inner.redrive(filter, limit).await
    }

    async fn delete_dead_letters(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        self.forget_all(When::Deleted);
        inner.delete_dead_letters(filter, limit).await
    }
}

#[test]
fn key_forgotten_at_the_hand_out() {
    let case = "a_key_is_known_while_its_message_is_leased";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Leased));
}

#[test]
fn key_forgotten_after_the_ack() {
    let case = "a_key_is_known_after_the_ack";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Acked));
}

#[test]
fn keys_forgotten_after_the_ack_of_a_batch() {
    let case = "a_key_is_known_after_the_ack_of_one_in_a_batch";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Acked));
}

#[test]
fn key_forgotten_by_a_retry() {
    let case = "a_key_is_known_after_a_retry_and_its_ack";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Retried));
}

#[test]
fn key_forgotten_by_a_release() {
    let case = "a_key_is_known_after_a_release";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Released));
}

#[test]
fn key_forgotten_by_a_dead_letter() {
    let case = "a_key_is_known_while_its_message_is_a_dead_letter";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Dead));
}

#[test]
fn key_forgotten_by_a_redrive() {
    let case = "a_key_is_known_after_a_redrive_and_its_ack";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Redriven));
}

#[test]
fn key_forgotten_with_its_dead_letter() {
    let case = "a_key_is_known_after_its_dead_letter_was_deleted";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Deleted));
}

#[test]
fn key_forgotten_by_a_cancel_by_id() {
    let case = "a_key_is_known_after_a_cancel_by_id";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Cancelled));
}

#[test]
fn key_forgotten_by_a_cancel_by_key() {
    let case = "a_key_is_known_after_a_cancel_by_key";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Cancelled));
}

#[test]
fn key_forgotten_by_a_purge() {
    let case = "a_key_is_known_after_a_purge";
    assert_caught("idempotency_paths", case, || Forgets::at(When::Purged));
}
