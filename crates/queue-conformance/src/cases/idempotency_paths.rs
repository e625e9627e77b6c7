//! Same key, same message: wherever the first message is by now.

use std::time::Duration;

use forebay_queue_core::{CancelOutcome, CancelTarget, DeadLetterFilter, NewMessage, State};

use crate::{Case, message};

const AT_ONCE: Duration = Duration::ZERO;

fn keyed() -> NewMessage {
    message::keyed("k")
}

pub(crate) async fn a_key_is_known_while_its_message_is_scheduled(case: Case) {
    let subject = case.holding_queue().await;
    let parked = keyed().with_delay(case.timing().limit);
    let first = subject.publish(parked).await;
    assert_eq!(subject.state_of(first).await, Some(State::Scheduled));
    subject.assert_duplicate(keyed(), first).await;
    let again = keyed().with_delay(case.timing().delay);
    subject.assert_duplicate(again, first).await;
    subject
        .assert_nothing_for(case.timing().delay * 3 / 2)
        .await;
}

pub(crate) async fn a_key_is_known_while_its_message_is_ready(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    assert_eq!(subject.state_of(first).await, Some(State::Ready));
    subject.assert_duplicate(keyed(), first).await;
}

pub(crate) async fn a_key_is_known_while_its_message_is_leased(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    let delivery = subject.take().await;
    subject.assert_duplicate(keyed(), first).await;
    subject.assert_nothing_now().await;
    subject.ack(&delivery).await;
}

pub(crate) async fn a_key_is_known_after_the_ack(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    subject.assert_duplicate(keyed(), first).await;
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_key_is_known_after_the_ack_of_one_in_a_batch(case: Case) {
    let subject = case.holding_queue().await;
    let batch = vec![message::numbered(1), keyed(), message::keyed("l")];
    let ids = subject.publish_all(batch).await;
    let deliveries = subject.take_many(3).await;
    let receipts: Vec<_> = deliveries.iter().map(|d| d.receipt.clone()).collect();
    let acked = subject.queue.ack(&receipts).await;
    acked.expect("the store answers");
    subject.assert_duplicate(keyed(), ids[1]).await;
    subject.assert_duplicate(message::keyed("l"), ids[2]).await;
}

pub(crate) async fn a_key_is_known_after_a_cancel_by_id(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    let outcome = subject.management.cancel(CancelTarget::Id(first)).await;
    assert_eq!(
        outcome.expect("cancel is answered"),
        CancelOutcome::Cancelled
    );
    subject.assert_duplicate(keyed(), first).await;
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_key_is_known_after_a_cancel_by_key(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    let target = CancelTarget::Key(message::idempotency_key("k"));
    let outcome = subject.management.cancel(target).await;
    assert_eq!(
        outcome.expect("cancel is answered"),
        CancelOutcome::Cancelled
    );
    subject.assert_duplicate(keyed(), first).await;
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_key_is_known_after_the_expiry(case: Case) {
    let span = case.timing().delay;
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed().with_time_to_live(span)).await;
    case.pass(span + case.timing().lateness).await;
    subject.await_state(first, None).await;
    subject.assert_duplicate(keyed(), first).await;
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_key_is_known_after_a_purge(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    let purged = subject.management.purge().await;
    assert_eq!(purged.expect("purge is answered"), 1);
    subject.assert_duplicate(keyed(), first).await;
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_key_is_known_while_its_message_is_a_dead_letter(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish_dead(keyed(), "no").await;
    assert_eq!(subject.state_of(first).await, Some(State::Dead));
    subject.assert_duplicate(keyed(), first).await;
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_key_is_known_after_its_dead_letter_was_deleted(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish_dead(keyed(), "no").await;
    let all = DeadLetterFilter::all();
    let deleted = subject.management.delete_dead_letters(&all, 10).await;
    assert_eq!(deleted.expect("delete is answered"), 1);
    subject.assert_duplicate(keyed(), first).await;
}

pub(crate) async fn a_key_is_known_after_a_redrive_and_its_ack(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish_dead(keyed(), "no").await;
    assert_eq!(subject.redrive_all().await, 1);
    subject.assert_duplicate(keyed(), first).await;
    let delivery = subject.take().await;
    assert_eq!(delivery.message.id(), first);
    subject.ack(&delivery).await;
    subject.assert_duplicate(keyed(), first).await;
}

pub(crate) async fn a_key_is_known_after_a_retry_and_its_ack(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    let delivery = subject.take().await;
    subject.retry(&delivery, case.timing().delay, "no").await;
    subject.assert_duplicate(keyed(), first).await;
    let delivery = subject.take().await;
    subject.assert_duplicate(keyed(), first).await;
    subject.ack(&delivery).await;
    subject.assert_duplicate(keyed(), first).await;
}

pub(crate) async fn a_key_is_known_after_a_release(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    let delivery = subject.take().await;
    subject.release(&delivery, AT_ONCE).await;
    subject.assert_duplicate(keyed(), first).await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    subject.assert_duplicate(keyed(), first).await;
}

pub(crate) async fn a_key_is_known_after_a_lease_ran_out(case: Case) {
    let subject = case.queue().await;
    let first = subject.publish(keyed()).await;
    subject.take().await;
    let again = subject.take().await;
    subject.assert_duplicate(keyed(), first).await;
    subject.ack(&again).await;
    subject.assert_duplicate(keyed(), first).await;
}

pub(crate) async fn a_key_is_known_to_every_session_and_process(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(keyed()).await;
    let session = case.open(&subject.name).await;
    session.assert_duplicate(keyed(), first).await;
    let there = case.another_process().await;
    let elsewhere = there.open(&subject.name).await;
    elsewhere.assert_duplicate(keyed(), first).await;
    subject.queue.close().await.expect("the session closes");
    session.assert_duplicate(keyed(), first).await;
}
