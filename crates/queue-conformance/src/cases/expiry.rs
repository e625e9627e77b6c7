//! Expiry: `expires_at` ends scheduled and ready messages, and no running one.

use std::time::Duration;

use forebay_queue_core::{Delivery, NackAction, NewMessage, SettleOutcome, State, Timestamp};

use crate::{Case, Subject, message};

const AT_ONCE: Duration = Duration::ZERO;

/// How long a message lives that a case first does something with.
fn span(case: &Case) -> Duration {
    case.timing().delay * 2
}

fn mortal(case: &Case) -> NewMessage {
    message::numbered(1).with_time_to_live(span(case))
}

/// Lets so much time pass that nothing of [`mortal`] lives.
async fn outlive(case: &Case) {
    case.pass(span(case) + case.timing().lateness).await;
}

async fn assert_gone(case: &Case, subject: &Subject) {
    subject.assert_nothing_for(case.timing().delay / 2).await;
    let stats = subject.stats().await;
    assert_eq!(
        (stats.live(), stats.done, stats.dead),
        (0, 0, 0),
        "an expired message is nowhere"
    );
}

pub(crate) async fn a_message_is_delivered_until_it_expires(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(mortal(&case)).await;
    case.pass(span(&case) / 2).await;
    let delivery = subject.take_within(case.timing().tolerance()).await;
    let end = delivery.message.expires_at();
    let end = end.expect("the message tells when it expires");
    assert!(delivery.delivered_at < end);
}

pub(crate) async fn a_ready_message_expires(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish(mortal(&case)).await;
    outlive(&case).await;
    subject.assert_nothing_now().await;
    subject.await_state(id, None).await;
    assert_gone(&case, &subject).await;
}

pub(crate) async fn a_scheduled_message_expires(case: Case) {
    let subject = case.holding_queue().await;
    let delayed = mortal(&case).with_delay(span(&case) * 2);
    let id = subject.publish(delayed).await;
    assert_eq!(subject.state_of(id).await, Some(State::Scheduled));
    outlive(&case).await;
    subject.await_state(id, None).await;
    case.pass(span(&case)).await;
    assert_gone(&case, &subject).await;
}

pub(crate) async fn a_message_that_expires_when_it_is_due_is_not_delivered(case: Case) {
    let subject = case.holding_queue().await;
    let delayed = mortal(&case).with_delay(span(&case));
    subject.publish(delayed).await;
    subject
        .assert_nothing_for(span(&case) + case.timing().tolerance())
        .await;
    assert_gone(&case, &subject).await;
}

pub(crate) async fn a_message_that_has_expired_before_it_is_published_is_not_delivered(case: Case) {
    let subject = case.holding_queue().await;
    let now = subject.store_time().await;
    for end in [Timestamp::from_millis(1), now] {
        let id = subject
            .publish(message::numbered(1).with_expires_at(end))
            .await;
        subject.await_state(id, None).await;
    }
    assert_gone(&case, &subject).await;
}

pub(crate) async fn an_absolute_expiry_is_kept(case: Case) {
    let subject = case.holding_queue().await;
    let end = subject.store_time().await.after(span(&case));
    let id = subject
        .publish(message::numbered(1).with_expires_at(end))
        .await;
    case.pass(span(&case) / 2).await;
    assert_eq!(subject.state_of(id).await, Some(State::Ready));
    case.pass(span(&case) / 2 + case.timing().lateness).await;
    subject.assert_nothing_now().await;
    subject.await_state(id, None).await;
}

pub(crate) async fn an_expired_message_leaves_the_others(case: Case) {
    let subject = case.holding_queue().await;
    let mut batch = message::many(5);
    batch[1] = mortal(&case);
    batch[3] = mortal(&case).with_delay(case.timing().delay);
    let ids = subject.publish_all(batch).await;
    outlive(&case).await;
    let mut numbers = message::numbers(&subject.take_many(3).await);
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 2, 4]);
    subject.assert_nothing_now().await;
    assert_eq!(subject.state_of(ids[1]).await, None);
    assert_eq!(subject.state_of(ids[3]).await, None);
}

pub(crate) async fn a_running_message_finishes(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish(mortal(&case)).await;
    let delivery = subject.take().await;
    outlive(&case).await;
    assert_eq!(subject.state_of(id).await, Some(State::Leased));
    assert_eq!(
        subject.extend_outcome(&delivery).await,
        SettleOutcome::Done,
        "a running message may run on"
    );
    assert_eq!(
        subject.ack_outcome(&delivery).await,
        SettleOutcome::Done,
        "and come to its end"
    );
    assert_gone(&case, &subject).await;
}

pub(crate) async fn a_retry_after_the_expiry_removes_the_message(case: Case) {
    let action = NackAction::Retry { after: AT_ONCE };
    nack_after_the_expiry(case, action).await;
}

pub(crate) async fn a_release_after_the_expiry_removes_the_message(case: Case) {
    let action = NackAction::Release { after: AT_ONCE };
    nack_after_the_expiry(case, action).await;
}

pub(crate) async fn a_dead_letter_after_the_expiry_removes_the_message(case: Case) {
    nack_after_the_expiry(case, NackAction::DeadLetter).await;
}

async fn nack_after_the_expiry(case: Case, action: NackAction) {
    let subject = case.holding_queue().await;
    let id = subject.publish(mortal(&case)).await;
    let delivery = subject.take().await;
    outlive(&case).await;
    let outcome = subject.nack_because(&delivery, action, Some("no")).await;
    assert_eq!(outcome, SettleOutcome::Done, "its holder had it");
    subject.await_state(id, None).await;
    assert_gone(&case, &subject).await;
}

pub(crate) async fn a_message_given_back_in_time_still_expires(case: Case) {
    let subject = case.holding_queue().await;
    let ids = subject
        .publish_all(vec![mortal(&case), mortal(&case)])
        .await;
    let deliveries = subject.take_many(2).await;
    let by_id = |id| deliveries.iter().find(|d| d.message.id() == id);
    let (one, other): (&Delivery, &Delivery) = (
        by_id(ids[0]).expect("both were received"),
        by_id(ids[1]).expect("both were received"),
    );
    subject.retry(one, span(&case) * 2, "no").await;
    subject.release(other, AT_ONCE).await;
    outlive(&case).await;
    for id in ids {
        subject.await_state(id, None).await;
    }
    case.pass(span(&case)).await;
    assert_gone(&case, &subject).await;
}

pub(crate) async fn a_lease_that_runs_out_after_the_expiry_removes_the_message(case: Case) {
    let lease = case.timing().lease;
    let subject = case.queue().await;
    let short = message::numbered(1).with_time_to_live(lease * 3 / 4);
    let id = subject.publish(short).await;
    subject.take().await;
    subject
        .assert_nothing_for(lease + case.timing().tolerance())
        .await;
    subject.await_state(id, None).await;
    assert_gone(&case, &subject).await;
}

pub(crate) async fn a_dead_letter_does_not_expire(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish_dead(mortal(&case), "no").await;
    outlive(&case).await;
    assert_eq!(
        subject.state_of(id).await,
        Some(State::Dead),
        "a dead letter stays for its retention"
    );
}

pub(crate) async fn a_redrive_lifts_the_expiry(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish_dead(mortal(&case), "no").await;
    outlive(&case).await;
    assert_eq!(subject.redrive_all().await, 1);
    let delivery = subject.take().await;
    assert_eq!(delivery.message.id(), id);
    subject.retry(&delivery, case.timing().delay, "no").await;
    let again = subject.take().await;
    assert_eq!(again.message.id(), id, "nor does it expire when retried");
    subject.ack(&again).await;
}

pub(crate) async fn a_redrive_before_the_expiry_lifts_it_too(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish_dead(mortal(&case), "no").await;
    assert_eq!(subject.redrive_all().await, 1);
    outlive(&case).await;
    assert_eq!(subject.take().await.message.id(), id);
}
