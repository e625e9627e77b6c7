use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_conformance::{InProcess, Timing, try_run};
use forebay_queue_core::{
    Backend, Delivery, Environment, Error, Nack, Queue, Receipt, SettleOutcome,
};
use forebay_queue_memory::MemoryBackend;
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};

/// How a mutant makes its receipts.
#[derive(Clone, Copy)]
enum Token {
    /// There is none: the message's id is all that a receipt says.
    None,
    /// From the attempt.
    Attempt,
}

/// Makes receipts of its own and settles whatever delivery stands for one by now.
struct OwnReceipts {
    token: Token,
    current: Mutex<HashMap<Receipt, Receipt>>,
}

impl OwnReceipts {
    fn of(token: Token) -> Self {
        Self {
            token,
            current: Mutex::default(),
        }
    }

    fn hide(&self, mut delivery: Delivery) -> Delivery {
        let mut bytes = delivery.message.id().as_bytes().to_vec();
        match self.token {
            Token::None => {}
            Token::Attempt => bytes.extend(delivery.attempt.to_be_bytes()),
        }
        let own = Receipt::from_bytes(&bytes);
        let inner = std::mem::replace(&mut delivery.receipt, own.clone());
        self.current.lock().insert(own, inner);
        delivery
    }

    fn inner(&self, own: &Receipt) -> Receipt {
        let current = self.current.lock();
        current.get(own).cloned().unwrap_or_else(|| own.clone())
    }

    fn all_inner(&self, receipts: &[Receipt]) -> Vec<Receipt> {
        receipts.iter().map(|own| self.inner(own)).collect()
    }
}

#[async_trait]
impl Mutation for OwnReceipts {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        Ok(deliveries.into_iter().map(|d| self.hide(d)).collect())
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        inner.ack(&self.all_inner(receipts)).await
    }

    async fn nack(
        &self,
        inner: &dyn Queue,
        mut nacks: Vec<Nack>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &mut nacks {
            nack.receipt = self.inner(&nack.receipt);
        }
        inner.nack(nacks).await
    }

    async fn extend(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        inner.extend(&self.all_inner(receipts)).await
    }
}

fn without_fencing(case: &str) {
    assert_caught("leases_fencing", case, || OwnReceipts::of(Token::None));
}

fn token_from_the_attempt(case: &str) {
    assert_caught("leases_fencing", case, || OwnReceipts::of(Token::Attempt));
}

#[test]
fn no_fencing_of_acks() {
    without_fencing("a_late_ack_does_not_touch_the_next_holder");
}

#[test]
fn no_fencing_of_retries() {
    without_fencing("a_late_retry_does_not_touch_the_next_holder");
}

#[test]
fn no_fencing_of_releases() {
    without_fencing("a_late_release_does_not_touch_the_next_holder");
}

#[test]
fn no_fencing_of_dead_letters() {
    without_fencing("a_late_dead_letter_does_not_touch_the_next_holder");
}

#[test]
fn no_fencing_of_extensions() {
    without_fencing("a_late_extend_does_not_prolong_the_next_holders_lease");
}

#[test]
fn stale_ack_accepted_after_a_retry() {
    without_fencing("a_token_is_not_used_again_after_a_retry");
}

#[test]
fn stale_ack_accepted_after_a_lease_ran_out() {
    without_fencing("a_token_is_not_used_again_after_a_lease_ran_out");
}

#[test]
fn token_used_again_after_a_release() {
    token_from_the_attempt("a_token_is_not_used_again_after_a_release");
}

#[test]
fn token_used_again_after_a_redrive() {
    token_from_the_attempt("a_token_is_not_used_again_after_a_redrive");
}

#[test]
fn token_used_again_in_a_long_life() {
    token_from_the_attempt("no_token_of_a_long_life_is_used_twice");
}

/// Says `Done` to an answer that comes a second time, as a store does that takes "not there" for "done".
struct GoneIsDone;

fn all_done(outcomes: &[SettleOutcome]) -> Vec<SettleOutcome> {
    vec![SettleOutcome::Done; outcomes.len()]
}

#[async_trait]
impl Mutation for GoneIsDone {
    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        Ok(all_done(&inner.ack(receipts).await?))
    }

    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        Ok(all_done(&inner.nack(nacks).await?))
    }
}

#[test]
fn second_ack_done() {
    assert_caught("leases_fencing", "an_ack_counts_once", || GoneIsDone);
}

#[test]
fn second_nack_done() {
    assert_caught("leases_fencing", "a_nack_counts_once", || GoneIsDone);
}

#[test]
fn ack_of_another_queue_done() {
    let case = "a_receipt_of_another_queue_settles_nothing";
    assert_caught("leases_fencing", case, || GoneIsDone);
}

/// Draws the same random numbers at each start, as a generator does that is seeded by a constant.
#[test]
fn token_used_again_after_a_restart() {
    let same = || {
        InProcess::new(Timing::PAUSED, || {
            Arc::new(MemoryBackend::new(Environment::seeded(1))) as Arc<dyn Backend>
        })
    };
    let case = "a_receipt_from_before_a_restart_settles_no_later_delivery";
    let caught = try_run("leases_fencing", case, same).is_err();
    assert!(caught, "tokens of the start before were taken");
}
