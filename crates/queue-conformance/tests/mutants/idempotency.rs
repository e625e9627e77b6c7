use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Environment, Error, IdempotencyKey, MessageId, NewMessage, PublishOutcome, Queue,
    QueueConfig, QueueName,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).expect("a mutant's key is valid")
}

/// Calls a duplicate accepted.
struct SwallowedDuplicate;

#[async_trait]
impl Mutation for SwallowedDuplicate {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let outcomes = inner.publish(messages, patience).await?;
        let accepted = |outcome: PublishOutcome| PublishOutcome::Accepted(outcome.id());
        Ok(outcomes.into_iter().map(accepted).collect())
    }
}

#[test]
fn duplicate_called_accepted() {
    let case = "a_repeated_key_answers_with_the_first_id_and_adds_nothing";
    assert_caught("idempotency", case, || SwallowedDuplicate);
}

#[test]
fn duplicate_in_a_batch_called_accepted() {
    let case = "a_repetition_inside_one_batch_is_a_duplicate_of_the_first";
    assert_caught("idempotency", case, || SwallowedDuplicate);
}

/// Answers a duplicate with the id that the repetition would have had.
struct WrongId;

#[async_trait]
impl Mutation for WrongId {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let ids: Vec<Option<MessageId>> = messages.iter().map(NewMessage::id).collect();
        let mut outcomes = inner.publish(messages, patience).await?;
        for (own, outcome) in ids.into_iter().zip(&mut outcomes) {
            if let PublishOutcome::Duplicate { id, .. } = outcome {
                *id = own.unwrap_or_else(|| Environment::system().next_id());
            }
        }
        Ok(outcomes)
    }
}

#[test]
fn duplicate_with_a_wrong_id() {
    let case = "a_repeated_key_answers_with_the_first_id_and_adds_nothing";
    assert_caught("idempotency", case, || WrongId);
}

#[test]
fn duplicate_with_its_own_id() {
    let case = "the_first_message_stands_whatever_its_repetition_says";
    assert_caught("idempotency", case, || WrongId);
}

/// Does not compare fingerprints.
struct FingerprintIgnored;

#[async_trait]
impl Mutation for FingerprintIgnored {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let mut outcomes = inner.publish(messages, patience).await?;
        for outcome in &mut outcomes {
            if let PublishOutcome::Duplicate {
                same_fingerprint, ..
            } = outcome
            {
                *same_fingerprint = true;
            }
        }
        Ok(outcomes)
    }
}

#[test]
fn fingerprint_ignored() {
    let case = "a_duplicate_says_whether_the_fingerprint_is_the_same";
    assert_caught("idempotency", case, || FingerprintIgnored);
}

#[test]
fn fingerprint_of_an_acked_message_ignored() {
    let case = "the_fingerprint_outlives_the_message";
    assert_caught("idempotency", case, || FingerprintIgnored);
}

/// Does not tell upper from lower case, nor spaces at the end.
struct Collated;

#[async_trait]
impl Mutation for Collated {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let collated = |message: NewMessage| match message.idempotency_key() {
            Some(given) => {
                let text = given.as_str().trim().to_lowercase();
                message.with_idempotency_key(key(&text))
            }
            None => message,
        };
        let messages = messages.into_iter().map(collated).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn keys_compared_without_case() {
    assert_caught("idempotency", "other_keys_are_other_messages", || Collated);
}

/// Looks first and publishes then, so that two can look at the same time. Knows keys for the whole backend.
#[derive(Default)]
struct LooksFirst {
    known: Mutex<HashMap<String, MessageId>>,
    next: AtomicUsize,
}

impl LooksFirst {
    async fn publish_one(
        &self,
        inner: &dyn Queue,
        message: NewMessage,
        patience: Duration,
    ) -> Result<PublishOutcome, Error> {
        let Some(given) = message.idempotency_key() else {
            return Ok(inner.publish(vec![message], patience).await?[0]);
        };
        let text = given.as_str().to_owned();
        let found = self.known.lock().get(&text).copied();
        if let Some(id) = found {
            let same_fingerprint = true;
            return Ok(PublishOutcome::Duplicate {
                id,
                same_fingerprint,
            });
        }
        tokio::task::yield_now().await;
        let fresh = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let message = message.with_idempotency_key(key(&fresh));
        let outcome = inner.publish(vec![message], patience).await?[0];
        self.known.lock().insert(text, outcome.id());
        Ok(outcome)
    }
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
            outcomes.push(self.publish_one(inner, message, patience).await?);
        }
        Ok(outcomes)
    }
}

#[test]
fn key_looked_up_before_it_is_taken() {
    let case = "many_publishers_of_one_key_make_one_message";
    assert_caught("idempotency", case, LooksFirst::default);
}

#[test]
fn key_looked_up_before_a_batch_is_taken() {
    let case = "batches_that_share_keys_in_another_order_all_go_through";
    assert_caught("idempotency", case, LooksFirst::default);
}

#[test]
fn keys_shared_by_all_queues() {
    let case = "each_queue_has_keys_of_its_own";
    assert_caught("idempotency", case, LooksFirst::default);
}

/// Remembers keys without bound.
struct Unbounded;

#[async_trait]
impl Mutation for Unbounded {
    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let config = QueueConfig {
            idempotency_limit: 1 << 31,
            ..config.clone()
        };
        inner.create(name, &config).await
    }
}

#[test]
fn keys_without_bound() {
    let case = "too_many_keys_are_refused_all_or_nothing";
    assert_caught("idempotency", case, || Unbounded);
}
