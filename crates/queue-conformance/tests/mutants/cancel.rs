use async_trait::async_trait;
use forebay_queue_core::{CancelOutcome, CancelTarget, Error, Management};

use crate::mutation::{Mutation, assert_caught};

/// A running message is said to be cancelled.
struct CancelsRunning;

#[async_trait]
impl Mutation for CancelsRunning {
    async fn cancel(
        &self,
        inner: &dyn Management,
        target: CancelTarget,
    ) -> Result<CancelOutcome, Error> {
        Ok(match inner.cancel(target).await? {
            CancelOutcome::AlreadyRunning => CancelOutcome::Cancelled,
            outcome => outcome,
        })
    }
}

#[test]
fn a_cancel_of_a_running_message() {
    let case = "a_running_message_is_not_cancelled";
    assert_caught("cancel", case, || CancelsRunning);
    let case = "of_a_cancel_and_a_receive_exactly_one_wins";
    assert_caught("crowd", case, || CancelsRunning);
}

/// Says that it has cancelled, and forgets to.
struct ForgetsToCancel;

#[async_trait]
impl Mutation for ForgetsToCancel {
    async fn cancel(
        &self,
        _inner: &dyn Management,
        _target: CancelTarget,
    ) -> Result<CancelOutcome, Error> {
        Ok(CancelOutcome::Cancelled)
    }
}

#[test]
fn a_cancel_that_is_forgotten() {
    for case in [
        "a_ready_message_is_cancelled_and_never_delivered",
        "a_scheduled_message_is_cancelled_and_never_delivered",
    ] {
        assert_caught("cancel", case, || ForgetsToCancel);
    }
}

/// Knows messages by id only.
struct NoKeys;

#[async_trait]
impl Mutation for NoKeys {
    async fn cancel(
        &self,
        inner: &dyn Management,
        target: CancelTarget,
    ) -> Result<CancelOutcome, Error> {
        match target {
            CancelTarget::Key(_) => Ok(CancelOutcome::NotFound),
            CancelTarget::Id(_) => inner.cancel(target).await,
        }
    }
}

#[test]
fn a_key_that_names_nothing() {
    assert_caught("cancel", "a_key_names_the_message_to_cancel", || NoKeys);
}

/// What is over cannot be told from what was never there.
struct OverIsUnknown;

#[async_trait]
impl Mutation for OverIsUnknown {
    async fn cancel(
        &self,
        inner: &dyn Management,
        target: CancelTarget,
    ) -> Result<CancelOutcome, Error> {
        Ok(match inner.cancel(target).await? {
            CancelOutcome::AlreadyOver => CancelOutcome::NotFound,
            outcome => outcome,
        })
    }
}

#[test]
fn an_end_that_is_forgotten() {
    let case = "a_key_within_its_window_outlives_its_message";
    assert_caught("cancel", case, || OverIsUnknown);
}
