use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Delivery, Error, Nack, NackAction, NewMessage, PublishOutcome, Queue, SettleOutcome,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

/// Takes all there is, puts it into another order, keeps the first of it and gives the rest back.
struct Reordered(fn(&mut Vec<Delivery>));

#[async_trait]
impl Mutation for Reordered {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(256, wait).await?;
        (self.0)(&mut deliveries);
        let rest = deliveries.split_off(max.min(deliveries.len()));
        let after = Duration::ZERO;
        let give_back = |delivery: Delivery| Nack {
            receipt: delivery.receipt,
            action: NackAction::Release { after },
            cause: None,
        };
        inner
            .nack(rest.into_iter().map(give_back).collect())
            .await?;
        Ok(deliveries)
    }
}

#[test]
fn latest_message_first() {
    let case = "messages_come_in_the_order_in_which_they_were_published";
    assert_caught("order", case, || Reordered(|all| all.reverse()));
}

#[test]
fn latest_message_of_a_fairness_key_first() {
    assert_caught("order", "each_fairness_key_keeps_its_order", || {
        Reordered(|all| all.reverse())
    });
}

#[test]
fn latest_message_of_a_publisher_first() {
    assert_caught("order", "each_publisher_sees_its_own_order_kept", || {
        Reordered(|all| all.reverse())
    });
}

#[test]
fn order_taken_from_the_ids() {
    assert_caught("order", "the_order_does_not_come_from_the_ids", || {
        Reordered(|all| all.sort_by_key(|delivery| delivery.message.id()))
    });
}

/// Publishes a batch from its end.
struct BatchBackwards;

#[async_trait]
impl Mutation for BatchBackwards {
    async fn publish(
        &self,
        inner: &dyn Queue,
        mut messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        messages.reverse();
        let mut outcomes = inner.publish(messages, patience).await?;
        outcomes.reverse();
        Ok(outcomes)
    }
}

#[test]
fn order_of_a_batch_lost() {
    assert_caught("order", "messages_of_a_batch_come_in_its_order", || {
        BatchBackwards
    });
}

/// Hands out several in the wrong order.
struct HandedOutBackwards;

#[async_trait]
impl Mutation for HandedOutBackwards {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        deliveries.reverse();
        Ok(deliveries)
    }
}

#[test]
fn order_of_a_hand_out_lost() {
    let case = "the_order_goes_on_over_batches_of_any_size";
    assert_caught("order", case, || HandedOutBackwards);
}

/// Puts what is given back at once to the front.
#[derive(Default)]
pub(crate) struct FrontOfTheLine {
    held: Mutex<Vec<Delivery>>,
    front: Mutex<Vec<Delivery>>,
}

#[async_trait]
impl Mutation for FrontOfTheLine {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let first = self.front.lock().pop();
        let deliveries = match first {
            Some(delivery) => vec![delivery],
            None => inner.receive(max, wait).await?,
        };
        self.held.lock().extend(deliveries.iter().cloned());
        Ok(deliveries)
    }

    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        if let [nack] = &nacks[..]
            && nack.action
                == (NackAction::Release {
                    after: Duration::ZERO,
                })
        {
            let held = self.held.lock();
            let delivery = held.iter().find(|held| held.receipt == nack.receipt);
            self.front.lock().extend(delivery.cloned());
            return Ok(vec![SettleOutcome::Done]);
        }
        inner.nack(nacks).await
    }
}

#[test]
fn given_back_to_the_front() {
    let case = "what_is_given_back_goes_behind_what_is_ready";
    assert_caught("order", case, FrontOfTheLine::default);
}

/// Makes everybody wait for what is delayed.
struct NobodyPasses;

#[async_trait]
impl Mutation for NobodyPasses {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let parked = messages.first().and_then(NewMessage::deliver);
        let wait_too = |message: NewMessage| match parked {
            Some(forebay_queue_core::Moment::After(delay)) => message.with_delay(delay),
            _ => message,
        };
        let messages = messages.into_iter().map(wait_too).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn delay_of_one_message_delays_all() {
    let case = "what_is_parked_by_a_delay_lets_the_others_keep_their_order";
    assert_caught("order", case, || NobodyPasses);
}
