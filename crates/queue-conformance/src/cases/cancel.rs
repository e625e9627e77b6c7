//! A message can be taken back until it is handed out.

use std::time::Duration;

use forebay_queue_core::CancelOutcome::{AlreadyOver, AlreadyRunning, Cancelled, NotFound};
use forebay_queue_core::{CancelTarget, DeadLetterFilter, MessageId, State};

use crate::{Case, message};

fn key(key: &str) -> CancelTarget {
    CancelTarget::Key(message::idempotency_key(key))
}

pub(crate) async fn a_ready_message_is_cancelled_and_never_delivered(case: Case) {
    let subject = case.queue().await;
    let ids = subject.publish_all(message::many(3)).await;
    assert_eq!(subject.cancel(CancelTarget::Id(ids[1])).await, Cancelled);
    assert_eq!(subject.state_of(ids[1]).await, None, "it is gone");
    assert_eq!(subject.stats().await.ready, 2);
    assert_eq!(subject.drain().await, [0, 2], "the others are not touched");
}

pub(crate) async fn a_scheduled_message_is_cancelled_and_never_delivered(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    let id = subject
        .publish(message::numbered(0).with_delay(delay))
        .await;
    assert_eq!(subject.cancel(CancelTarget::Id(id)).await, Cancelled);
    assert_eq!(subject.stats().await.scheduled, 0, "it is gone");
    subject
        .assert_nothing_for(delay + case.timing().tolerance())
        .await;
}

pub(crate) async fn a_key_names_the_message_to_cancel(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    let id = subject.publish(message::keyed("a").with_delay(delay)).await;
    subject.publish(message::keyed("b")).await;
    let repeated = subject.publish_outcome(vec![message::keyed("a")]).await;
    assert_eq!(repeated.expect("it is a duplicate")[0].id(), id);
    assert_eq!(subject.cancel(key("a")).await, Cancelled);
    assert_eq!(subject.state_of(id).await, None);
    let left = subject.take().await;
    let expected = message::idempotency_key("b");
    assert_eq!(left.message.idempotency_key(), Some(&expected));
    subject.ack(&left).await;
    subject
        .assert_nothing_for(delay + case.timing().tolerance())
        .await;
}

pub(crate) async fn a_running_message_is_not_cancelled(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::keyed("k")).await;
    let held = subject.take().await;
    assert_eq!(subject.cancel(CancelTarget::Id(id)).await, AlreadyRunning);
    assert_eq!(subject.cancel(key("k")).await, AlreadyRunning);
    assert_eq!(subject.state_of(id).await, Some(State::Leased));
    subject.ack(&held).await;
}

pub(crate) async fn a_message_that_was_given_back_is_cancelled(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    for after in [Duration::ZERO, delay] {
        let id = subject.publish(message::numbered(0)).await;
        let held = subject.take().await;
        subject.retry(&held, after, "no").await;
        assert_eq!(
            subject.cancel(CancelTarget::Id(id)).await,
            Cancelled,
            "waiting for its next attempt it can be cancelled"
        );
    }
    subject
        .assert_nothing_for(delay + case.timing().tolerance())
        .await;
}

pub(crate) async fn a_message_whose_lease_has_run_out_is_cancelled(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::numbered(0)).await;
    subject.take().await;
    case.pass(case.timing().lease + case.timing().tolerance())
        .await;
    assert_eq!(subject.cancel(CancelTarget::Id(id)).await, Cancelled);
    subject.assert_nothing_now().await;
}

pub(crate) async fn an_unknown_message_is_not_found(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::keyed("known")).await;
    let unknown = MessageId::from_bytes([9; 16]);
    assert_eq!(subject.cancel(CancelTarget::Id(unknown)).await, NotFound);
    assert_eq!(subject.cancel(key("unknown")).await, NotFound);
    assert_eq!(subject.stats().await.ready, 1);
}

pub(crate) async fn a_key_within_its_window_outlives_its_message(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::keyed("acked")).await;
    let held = subject.take().await;
    subject.ack(&held).await;
    subject.publish_dead(message::keyed("dead"), "no").await;
    subject.publish(message::keyed("cancelled")).await;
    assert_eq!(subject.cancel(key("cancelled")).await, Cancelled);
    subject.publish(message::keyed("purged")).await;
    subject.purge().await;
    for gone in ["acked", "dead", "cancelled", "purged"] {
        assert_eq!(subject.cancel(key(gone)).await, AlreadyOver, "{gone}");
    }
}

pub(crate) async fn a_cancelled_key_is_still_known(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::keyed("k")).await;
    assert_eq!(subject.cancel(key("k")).await, Cancelled);
    let again = subject.publish_outcome(vec![message::keyed("k")]).await;
    let again = again.expect("it is answered")[0];
    assert!(
        again.is_duplicate() && again.id() == id,
        "cancelling a message does not make its key new"
    );
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_dead_letter_is_already_over_until_it_is_redriven(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish_dead(message::numbered(0), "no").await;
    assert_eq!(subject.cancel(CancelTarget::Id(id)).await, AlreadyOver);
    assert_eq!(subject.state_of(id).await, Some(State::Dead));
    subject.redrive(&DeadLetterFilter::all(), 1).await;
    assert_eq!(subject.cancel(CancelTarget::Id(id)).await, Cancelled);
    assert_eq!(subject.state_of(id).await, None);
    subject.assert_nothing_now().await;
}

pub(crate) async fn cancelling_twice_is_harmless(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::keyed("k")).await;
    assert_eq!(subject.cancel(key("k")).await, Cancelled);
    assert_eq!(subject.cancel(key("k")).await, AlreadyOver);
    let by_id = subject.cancel(CancelTarget::Id(id)).await;
    assert!(
        matches!(by_id, NotFound | AlreadyOver),
        "it is gone: {by_id:?}"
    );
    assert_eq!(subject.stats().await.live(), 0);
}
