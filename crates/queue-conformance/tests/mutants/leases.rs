use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Delivery, Error, Queue, QueueConfig, QueueName, Receipt, SettleOutcome,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

/// Hands out what it handed out last when nothing else is there.
#[derive(Default)]
struct SecondHolder(Mutex<Vec<Delivery>>);

#[async_trait]
impl Mutation for SecondHolder {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        let mut last = self.0.lock();
        if deliveries.is_empty() {
            return Ok(std::mem::take(&mut *last));
        }
        last.clone_from(&deliveries);
        Ok(deliveries)
    }
}

#[test]
fn a_second_holder() {
    let case = "while_a_lease_lasts_no_one_else_receives_the_message";
    assert_caught("leases", case, SecondHolder::default);
}

#[test]
fn a_second_holder_among_many() {
    let case = "each_message_has_one_holder_however_many_receive";
    assert_caught("leases", case, SecondHolder::default);
}

/// Gives leases that are ten times as long as was asked for.
struct LongLeases;

#[async_trait]
impl Mutation for LongLeases {
    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let config = QueueConfig {
            lease: config.lease * 10,
            ..config.clone()
        };
        inner.create(name, &config).await
    }
}

#[test]
fn a_lease_that_ends_late() {
    let case = "a_lease_that_ran_out_brings_the_message_back_in_time";
    assert_caught("leases", case, || LongLeases);
}

#[test]
fn many_leases_that_end_late() {
    let case = "many_leases_that_run_out_together_come_back_in_time";
    assert_caught("leases", case, || LongLeases);
}

#[test]
fn a_lease_that_wakes_a_waiting_receiver_late() {
    let case = "a_lease_given_to_one_receiver_wakes_another_when_it_runs_out";
    assert_caught("leases", case, || LongLeases);
}

/// Says `Done` to every ack.
struct AcceptsAnyAck;

#[async_trait]
impl Mutation for AcceptsAnyAck {
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
fn an_ack_accepted_after_the_lease() {
    let case = "a_lease_that_ran_out_is_lost_even_if_nobody_took_the_message";
    assert_caught("leases", case, || AcceptsAnyAck);
}

/// Answers an extension and does nothing.
struct EmptyExtension;

#[async_trait]
impl Mutation for EmptyExtension {
    async fn extend(
        &self,
        _: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        Ok(vec![SettleOutcome::Done; receipts.len()])
    }
}

#[test]
fn an_extension_ignored() {
    assert_caught("leases", "an_extension_lasts_from_now", || EmptyExtension);
}

#[test]
fn an_extension_that_a_waiting_receiver_does_not_see() {
    let case = "an_extension_keeps_a_waiting_receiver_waiting";
    assert_caught("leases", case, || EmptyExtension);
}

/// Extends each lease once only.
#[derive(Default)]
struct OneExtension(Mutex<Vec<Receipt>>);

#[async_trait]
impl Mutation for OneExtension {
    async fn extend(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let known = {
            let mut extended = self.0.lock();
            let known = receipts.iter().all(|receipt| extended.contains(receipt));
            extended.extend_from_slice(receipts);
            known
        };
        if known {
            return Ok(vec![SettleOutcome::Done; receipts.len()]);
        }
        inner.extend(receipts).await
    }
}

#[test]
fn a_second_extension_ignored() {
    let case = "a_delivery_can_be_extended_again_and_again";
    assert_caught("leases", case, OneExtension::default);
}

/// Extends everything that was ever handed out.
#[derive(Default)]
struct ExtendsAll(Mutex<Vec<Receipt>>);

#[async_trait]
impl Mutation for ExtendsAll {
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

    async fn extend(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let all = self.0.lock().clone();
        inner.extend(&all).await?;
        inner.extend(receipts).await
    }
}

#[test]
fn one_extension_for_all() {
    let case = "an_extension_of_one_lease_leaves_the_others";
    assert_caught("leases", case, ExtendsAll::default);
}
