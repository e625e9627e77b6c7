use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, DeadLetterFilter, Delivery, Error, Management, MessageId, NewMessage, PageRequest,
    Queue, QueueConfig, QueueName, Redriven,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};
use crate::sessions_seen::SessionsSeen;

const GROUP: &str = "redrive";

/// A redrive publishes the message anew, without its history.
#[derive(Default)]
struct PublishedAnew(SessionsSeen);

#[async_trait]
impl Mutation for PublishedAnew {
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
        let page = PageRequest::first(limit.min(PageRequest::MAX_LIMIT));
        let dead = inner.dead_letters(filter, page).await?.items;
        for stored in &dead {
            let message = &stored.message;
            let one = DeadLetterFilter::id(message.id());
            inner.delete_dead_letters(&one, 1).await?;
            let anew = NewMessage::new(message.kind().clone(), message.payload().clone());
            let anew = vec![anew.with_id(message.id())];
            self.0.first().publish(anew, Duration::ZERO).await?;
        }
        Ok(Redriven {
            redriven: dead.len() as u64,
            full: false,
        })
    }
}

#[test]
fn a_redrive_that_loses_the_history() {
    let case = "a_redriven_message_starts_anew_and_dies_with_its_whole_history";
    assert_caught(GROUP, case, PublishedAnew::default);
}

/// A redriven message goes on with the attempts it had.
#[derive(Default)]
struct AttemptsGoOn(Mutex<HashMap<MessageId, u32>>);

#[async_trait]
impl Mutation for AttemptsGoOn {
    async fn redrive(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        for stored in inner.dead_letters(filter, page).await?.items {
            let mut attempts = self.0.lock();
            *attempts.entry(stored.message.id()).or_default() += stored.attempt;
        }
        inner.redrive(filter, limit).await
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        let attempts = self.0.lock();
        for delivery in &mut deliveries {
            let before = attempts.get(&delivery.message.id());
            delivery.attempt += before.copied().unwrap_or_default();
        }
        Ok(deliveries)
    }
}

#[test]
fn a_redrive_that_keeps_the_attempt() {
    let case = "a_redriven_message_starts_anew_and_dies_with_its_whole_history";
    assert_caught(GROUP, case, AttemptsGoOn::default);
}

/// A redrive takes all that match, whatever its limit.
struct NoLimit;

#[async_trait]
impl Mutation for NoLimit {
    async fn redrive(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        _limit: usize,
    ) -> Result<Redriven, Error> {
        inner.redrive(filter, usize::MAX).await
    }
}

#[test]
fn a_redrive_without_a_limit() {
    let case = "a_redrive_takes_the_oldest_up_to_its_limit_and_keeps_their_order";
    assert_caught(GROUP, case, || NoLimit);
}

/// A redrive takes the youngest first.
struct YoungestFirst;

#[async_trait]
impl Mutation for YoungestFirst {
    async fn redrive(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        let dead = inner.dead_letters(filter, page).await?.items;
        let mut all = Redriven {
            redriven: 0,
            full: false,
        };
        for stored in dead.iter().rev().take(limit) {
            let one = DeadLetterFilter::id(stored.message.id());
            let answer = inner.redrive(&one, 1).await?;
            all.redriven += answer.redriven;
            all.full |= answer.full;
        }
        Ok(all)
    }
}

#[test]
fn a_redrive_of_the_youngest() {
    let case = "a_redrive_takes_the_oldest_up_to_its_limit_and_keeps_their_order";
    assert_caught(GROUP, case, || YoungestFirst);
}

/// A redrive does not look at its filter.
struct NoFilter;

#[async_trait]
impl Mutation for NoFilter {
    async fn redrive(
        &self,
        inner: &dyn Management,
        _filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        inner.redrive(&DeadLetterFilter::all(), limit).await
    }
}

#[test]
fn a_redrive_of_everything() {
    assert_caught(GROUP, "a_redrive_takes_only_what_matches", || NoFilter);
}

/// A redrive that stopped for want of room does not say so.
struct NeverFull;

#[async_trait]
impl Mutation for NeverFull {
    async fn redrive(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        let answer = inner.redrive(filter, limit).await?;
        Ok(Redriven {
            full: false,
            ..answer
        })
    }
}

#[test]
fn a_redrive_that_does_not_say_full() {
    let case = "a_redrive_stops_when_the_queue_is_full_and_says_so";
    assert_caught(GROUP, case, || NeverFull);
}
