use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Delivery, Error, Moment, Nack, NackAction, NewMessage, PublishOutcome, Queue, SettleOutcome,
    Timestamp,
};
use tokio::time::{Instant, sleep_until};

use crate::mutation::{Mutation, assert_caught};

/// Does something else with delays, both of messages and of nacks.
#[derive(Clone, Copy)]
enum Delays {
    /// Forgets them.
    Forgotten,
    /// Hands out a little early.
    Early,
    /// Cuts them after a quarter of an hour.
    Capped,
}

impl Delays {
    fn of(self, delay: Duration) -> Duration {
        match self {
            Self::Forgotten => Duration::ZERO,
            Self::Early => delay * 9 / 10,
            Self::Capped => delay.min(Duration::from_mins(15)),
        }
    }
}

#[async_trait]
impl Mutation for Delays {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let changed = |message: NewMessage| match message.deliver() {
            Some(Moment::After(delay)) => message.with_delay(self.of(delay)),
            _ => message,
        };
        let messages = messages.into_iter().map(changed).collect();
        inner.publish(messages, patience).await
    }

    async fn nack(
        &self,
        inner: &dyn Queue,
        mut nacks: Vec<Nack>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &mut nacks {
            if let NackAction::Retry { after } | NackAction::Release { after } = &mut nack.action {
                *after = self.of(*after);
            }
        }
        inner.nack(nacks).await
    }
}

#[test]
fn delay_forgotten() {
    assert_caught("delay", "a_delayed_message_is_never_early", || {
        Delays::Forgotten
    });
}

#[test]
fn delayed_message_handed_out_early() {
    assert_caught("delay", "a_delayed_message_is_never_early", || {
        Delays::Early
    });
}

#[test]
fn delay_of_a_retry_forgotten() {
    let case = "a_retry_after_a_while_is_not_early_and_hardly_late";
    assert_caught("delay", case, || Delays::Forgotten);
}

#[test]
fn released_message_handed_out_early() {
    let case = "a_release_after_a_while_is_not_early_and_hardly_late";
    assert_caught("delay", case, || Delays::Early);
}

#[test]
fn delay_of_hours_cut() {
    assert_caught("delay", "a_delay_of_hours_is_kept", || Delays::Capped);
}

/// Forgets times.
struct NoTimes;

#[async_trait]
impl Mutation for NoTimes {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let changed = |message: NewMessage| match message.deliver() {
            Some(Moment::At(_)) => message.with_deliver_at(Timestamp::ZERO),
            _ => message,
        };
        let messages = messages.into_iter().map(changed).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn time_forgotten() {
    assert_caught("delay", "an_absolute_time_is_kept", || NoTimes);
}

/// Looks every second whether something has become due.
struct Polls;

#[async_trait]
impl Mutation for Polls {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let end = Instant::now() + wait;
        loop {
            let deliveries = inner.receive(max, Duration::ZERO).await?;
            let now = Instant::now();
            if !deliveries.is_empty() || now >= end {
                return Ok(deliveries);
            }
            // tidy: sleep — the mutant polls; time is paused
            sleep_until(end.min(now + Duration::from_secs(1))).await;
        }
    }
}

#[test]
fn due_message_found_by_polling() {
    let case = "a_delayed_message_is_hardly_late_for_a_waiting_receiver";
    assert_caught("delay", case, || Polls);
}

#[test]
fn returned_message_found_by_polling() {
    let case = "what_is_given_back_at_once_reaches_a_waiting_receiver";
    assert_caught("delay", case, || Polls);
}

/// Delays a whole batch as long as the last of it.
struct OneDelay;

#[async_trait]
impl Mutation for OneDelay {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let last = messages.last().and_then(NewMessage::deliver);
        let changed = |message: NewMessage| match last {
            Some(Moment::After(delay)) => message.with_delay(delay),
            _ => message,
        };
        let messages = messages.into_iter().map(changed).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn one_delay_for_a_batch() {
    assert_caught("delay", "each_delay_of_a_batch_is_its_own", || OneDelay);
}
