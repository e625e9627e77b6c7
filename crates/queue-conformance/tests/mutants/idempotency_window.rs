use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Clock, Error, Moment, Nack, NackAction, NewMessage, PublishOutcome, Queue,
    QueueConfig, QueueName, SettleOutcome, SystemClock,
};

use crate::mutation::{Mutation, assert_caught};

/// Remembers keys for another time than was asked for.
struct Window(fn(Duration) -> Duration);

#[async_trait]
impl Mutation for Window {
    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let config = QueueConfig {
            idempotency_window: (self.0)(config.idempotency_window),
            ..config.clone()
        };
        inner.create(name, &config).await
    }
}

#[test]
fn window_without_end() {
    let case = "the_window_begins_at_acceptance_and_ends";
    assert_caught("idempotency_window", case, || {
        Window(|_| Duration::from_hours(24 * 365))
    });
}

#[test]
fn window_cut_short() {
    let case = "the_window_begins_at_acceptance_and_ends";
    assert_caught("idempotency_window", case, || Window(|asked| asked / 2));
}

#[test]
fn window_of_nothing_taken_for_the_default() {
    let case = "a_window_of_nothing_remembers_nothing";
    assert_caught("idempotency_window", case, || {
        Window(|asked| asked.max(Duration::from_hours(24)))
    });
}

/// Leaves the window alone at a retry: for the key it is a release.
struct RetryLeavesTheWindow;

#[async_trait]
impl Mutation for RetryLeavesTheWindow {
    async fn nack(
        &self,
        inner: &dyn Queue,
        mut nacks: Vec<Nack>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &mut nacks {
            if let NackAction::Retry { after } = nack.action {
                nack.action = NackAction::Release { after };
            }
        }
        inner.nack(nacks).await
    }
}

#[test]
fn window_not_begun_anew_by_a_retry() {
    let case = "a_retry_begins_the_window_anew";
    assert_caught("idempotency_window", case, || RetryLeavesTheWindow);
}

/// Begins the window anew at a release: for the key it is a retry.
struct ReleaseBeginsTheWindow;

#[async_trait]
impl Mutation for ReleaseBeginsTheWindow {
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
fn window_begun_anew_by_a_release() {
    let case = "a_release_leaves_the_window_as_it_was";
    assert_caught("idempotency_window", case, || ReleaseBeginsTheWindow);
}

/// Counts the window of a delayed message from acceptance.
struct FromAcceptance(SystemClock);

#[async_trait]
impl Mutation for FromAcceptance {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let now = self.0.now();
        let at_once = |message: NewMessage| match message.deliver() {
            Some(Moment::After(_)) => message.with_deliver_at(now),
            _ => message,
        };
        let messages = messages.into_iter().map(at_once).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn window_of_a_delayed_message_counted_from_acceptance() {
    let case = "the_window_of_a_delayed_message_begins_when_it_is_due";
    assert_caught("idempotency_window", case, || {
        FromAcceptance(SystemClock::new())
    });
}
