use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, Durability, Error, FairnessKey, Guarantees, NewMessage, PublishOutcome,
    Queue,
};

use crate::mutation::{Mutation, assert_caught};

const GROUP: &str = "capabilities";

/// Declares a largest delay, and takes any time that is absolute.
struct AnyDelay;

impl Mutation for AnyDelay {
    fn capabilities(&self, can: Capabilities) -> Capabilities {
        Capabilities {
            largest_delay: Some(Duration::from_hours(2)),
            ..can
        }
    }
}

#[test]
fn a_delay_that_is_declared_absent_and_taken() {
    let case = "the_largest_delay_passes_and_a_longer_one_is_refused";
    assert_caught(GROUP, case, || AnyDelay);
}

/// Declares that any delay is fine, and cuts long ones.
struct CutsDelays;

#[async_trait]
impl Mutation for CutsDelays {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let cut = |message: NewMessage| message.with_delay(Duration::from_hours(24));
        inner
            .publish(messages.into_iter().map(cut).collect(), patience)
            .await
    }
}

#[test]
fn a_delay_that_is_declared_and_cut() {
    let case = "the_largest_delay_passes_and_a_longer_one_is_refused";
    assert_caught(GROUP, case, || CutsDelays);
}

/// Fairness keys are dropped, because there are no weights.
struct NoFairnessKeys;

#[async_trait]
impl Mutation for NoFairnessKeys {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let bare = |message: NewMessage| message.with_fairness_key(FairnessKey::DEFAULT);
        inner
            .publish(messages.into_iter().map(bare).collect(), patience)
            .await
    }
}

#[test]
fn a_fairness_key_that_is_dropped() {
    let case = "a_fairness_key_is_carried_by_every_backend";
    assert_caught(GROUP, case, || NoFairnessKeys);
}

/// The probe finds what nobody built.
struct BoastfulProbe;

#[async_trait]
impl Mutation for BoastfulProbe {
    async fn probe(&self, _inner: &dyn Backend) -> Result<Guarantees, Error> {
        Ok(Guarantees {
            durability: Durability::Fsynced,
            replicas: 0,
            detail: "trust me".to_owned(),
        })
    }
}

#[test]
fn a_durability_that_is_not_there() {
    let case = "a_durability_that_is_not_there_is_refused";
    assert_caught(GROUP, case, || BoastfulProbe);
    let case = "accepted_messages_survive_or_the_queue_is_gone";
    assert_caught("restart", case, || BoastfulProbe);
}
