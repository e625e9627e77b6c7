use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Delivery, Error, Management, MessageId, Nack, NackAction, Queue, SettleOutcome, State,
    StoredMessage,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

/// Forgets to count.
struct NotCounted;

#[async_trait]
impl Mutation for NotCounted {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        for delivery in &mut deliveries {
            delivery.attempt = 1;
        }
        Ok(deliveries)
    }
}

#[test]
fn retry_not_counted() {
    assert_caught("attempts", "a_retry_is_one_attempt_older", || NotCounted);
}

/// Counts the failures that a worker lived to tell.
#[derive(Default)]
struct CrashesNotCounted(
    Mutex<HashMap<Vec<u8>, MessageId>>,
    Mutex<HashMap<MessageId, u32>>,
);

#[async_trait]
impl Mutation for CrashesNotCounted {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        for delivery in &mut deliveries {
            let id = delivery.message.id();
            let receipt = delivery.receipt.as_bytes().to_vec();
            self.0.lock().insert(receipt, id);
            delivery.attempt = 1 + self.1.lock().get(&id).copied().unwrap_or(0);
        }
        Ok(deliveries)
    }

    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &nacks {
            let known = self.0.lock().get(nack.receipt.as_bytes()).copied();
            if let (Some(id), NackAction::Retry { .. }) = (known, nack.action) {
                *self.1.lock().entry(id).or_default() += 1;
            }
        }
        inner.nack(nacks).await
    }
}

#[test]
fn crash_not_counted() {
    let case = "a_lease_that_ran_out_counts";
    assert_caught("attempts", case, CrashesNotCounted::default);
}

#[test]
fn death_of_a_session_not_counted() {
    let case = "the_death_of_a_session_counts_for_what_it_was_handed";
    assert_caught("attempts", case, CrashesNotCounted::default);
}

/// Counts an attempt when it has ended.
struct CountedAfter;

#[async_trait]
impl Mutation for CountedAfter {
    async fn get(
        &self,
        inner: &dyn Management,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, Error> {
        let mut stored = inner.get(id).await?;
        if let Some(stored) = &mut stored
            && stored.state == State::Leased
        {
            stored.attempt -= 1;
        }
        Ok(stored)
    }
}

#[test]
fn attempt_counted_after_the_hand_out() {
    let case = "the_attempt_is_counted_before_the_hand_out";
    assert_caught("attempts", case, || CountedAfter);
}

/// Treats a release as a failure.
struct ReleaseFails;

#[async_trait]
impl Mutation for ReleaseFails {
    async fn nack(
        &self,
        inner: &dyn Queue,
        mut nacks: Vec<Nack>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &mut nacks {
            if let NackAction::Release { after } = nack.action {
                nack.action = NackAction::Retry { after };
            }
        }
        inner.nack(nacks).await
    }
}

#[test]
fn release_counted_as_an_attempt() {
    assert_caught("attempts", "a_release_gives_the_attempt_back", || {
        ReleaseFails
    });
}

#[test]
fn release_recorded_as_a_failure() {
    assert_caught("attempts", "a_release_leaves_no_record", || ReleaseFails);
}

/// Goes on counting after a redrive.
#[derive(Default)]
struct RedriveGoesOn(Mutex<HashMap<MessageId, u32>>);

#[async_trait]
impl Mutation for RedriveGoesOn {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        for delivery in &mut deliveries {
            let mut counts = self.0.lock();
            let count = counts.entry(delivery.message.id()).or_default();
            *count += 1;
            delivery.attempt = *count;
        }
        Ok(deliveries)
    }
}

#[test]
fn redrive_goes_on_counting() {
    let case = "a_redrive_starts_at_attempt_1_and_keeps_the_history";
    assert_caught("attempts", case, RedriveGoesOn::default);
}

/// Forgets the history of what starts again.
struct FreshHistory;

#[async_trait]
impl Mutation for FreshHistory {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        for delivery in deliveries.iter_mut().filter(|d| d.attempt == 1) {
            delivery.errors.clear();
        }
        Ok(deliveries)
    }
}

#[test]
fn redrive_forgets_the_history() {
    let case = "a_redrive_starts_at_attempt_1_and_keeps_the_history";
    assert_caught("attempts", case, || FreshHistory);
}

/// Tells the latest failure first.
struct LatestFirst;

#[async_trait]
impl Mutation for LatestFirst {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        for delivery in &mut deliveries {
            delivery
                .errors
                .sort_by_key(|error| std::cmp::Reverse(error.attempt));
        }
        Ok(deliveries)
    }
}

#[test]
fn history_backwards() {
    let case = "the_history_keeps_the_latest_records";
    assert_caught("attempts", case, || LatestFirst);
}

/// Counts the age from the delivery.
struct AlwaysYoung;

#[async_trait]
impl Mutation for AlwaysYoung {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        for delivery in &mut deliveries {
            delivery.age_from = delivery.delivered_at;
        }
        Ok(deliveries)
    }
}

#[test]
fn age_counted_from_each_delivery() {
    assert_caught("attempts", "a_retry_makes_nothing_younger", || AlwaysYoung);
}

/// Counts the age from the publish, whatever happened since.
struct AlwaysOld;

#[async_trait]
impl Mutation for AlwaysOld {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        for delivery in &mut deliveries {
            delivery.age_from = delivery.message.published_at();
        }
        Ok(deliveries)
    }
}

#[test]
fn age_of_a_delayed_message_counted_from_the_publish() {
    let case = "the_age_of_a_delayed_message_counts_from_when_it_was_due";
    assert_caught("attempts", case, || AlwaysOld);
}

#[test]
fn age_of_a_redriven_message_counted_from_the_publish() {
    let case = "the_age_of_a_redriven_message_counts_from_the_redrive";
    assert_caught("attempts", case, || AlwaysOld);
}
