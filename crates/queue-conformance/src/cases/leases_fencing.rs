//! Fencing: every delivery has its own token, and a late answer touches nobody.

use std::collections::HashSet;
use std::time::Duration;

use forebay_queue_core::{Delivery, NackAction, Receipt, SettleOutcome, State};

use crate::{Case, Subject, message};

use SettleOutcome::{Done, LeaseLost};

const AT_ONCE: Duration = Duration::ZERO;

/// A message whose first holder is late: its lease ran out and someone else holds it.
async fn overtaken(case: &Case) -> (Subject, Delivery, Delivery) {
    let subject = case.queue().await;
    subject.publish(message::numbered(1)).await;
    let late = subject.take().await;
    let next = subject.take().await;
    assert_eq!(next.message.id(), late.message.id());
    (subject, late, next)
}

/// The delivery is held as if nothing had happened.
async fn assert_untouched(subject: &Subject, next: &Delivery) {
    let stored = subject.get(next.message.id()).await;
    let stored = stored.expect("the late answer removed the message of the next holder");
    assert_eq!(
        stored.state,
        State::Leased,
        "the late answer took the message from the next holder"
    );
    assert_eq!(stored.attempt, next.attempt, "attempts");
    assert_eq!(stored.errors.len(), next.errors.len(), "errors");
    assert_eq!(
        subject.ack_outcome(next).await,
        Done,
        "the late answer took the lease from the next holder"
    );
}

pub(crate) async fn a_late_ack_does_not_touch_the_next_holder(case: Case) {
    let (subject, late, next) = overtaken(&case).await;
    assert_eq!(
        subject.ack_outcome(&late).await,
        LeaseLost,
        "its lease ran out"
    );
    assert_untouched(&subject, &next).await;
}

pub(crate) async fn a_late_retry_does_not_touch_the_next_holder(case: Case) {
    let (subject, late, next) = overtaken(&case).await;
    let action = NackAction::Retry { after: AT_ONCE };
    let outcome = subject.nack_because(&late, action, Some("late")).await;
    assert_eq!(outcome, LeaseLost, "its lease ran out");
    assert_untouched(&subject, &next).await;
}

pub(crate) async fn a_late_release_does_not_touch_the_next_holder(case: Case) {
    let (subject, late, next) = overtaken(&case).await;
    let action = NackAction::Release { after: AT_ONCE };
    assert_eq!(
        subject.nack_outcome(&late, action).await,
        LeaseLost,
        "its lease ran out"
    );
    assert_untouched(&subject, &next).await;
}

pub(crate) async fn a_late_dead_letter_does_not_touch_the_next_holder(case: Case) {
    let (subject, late, next) = overtaken(&case).await;
    let action = NackAction::DeadLetter;
    let outcome = subject.nack_because(&late, action, Some("late")).await;
    assert_eq!(outcome, LeaseLost, "its lease ran out");
    assert_eq!(subject.stats().await.dead, 0);
    assert_untouched(&subject, &next).await;
}

pub(crate) async fn a_late_extend_does_not_prolong_the_next_holders_lease(case: Case) {
    let (subject, late, next) = overtaken(&case).await;
    let until = async || {
        let stored = subject.get(next.message.id()).await;
        stored.and_then(|stored| stored.leased_until)
    };
    let before = until().await;
    case.pass(case.timing().moment()).await;
    assert_eq!(
        subject.extend_outcome(&late).await,
        LeaseLost,
        "its lease ran out"
    );
    assert_eq!(
        until().await,
        before,
        "the lease of the next holder has another end now"
    );
    assert_untouched(&subject, &next).await;
}

pub(crate) async fn an_ack_counts_once(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    assert_eq!(subject.ack_outcome(&delivery).await, Done);
    subject.assert_lost(&delivery).await;
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn a_nack_counts_once(case: Case) {
    let subject = case.holding_queue().await;
    let later = case.timing().limit;
    for action in [
        NackAction::Retry { after: AT_ONCE },
        NackAction::Retry { after: later },
        NackAction::Release { after: AT_ONCE },
        NackAction::Release { after: later },
        NackAction::DeadLetter,
    ] {
        subject.publish(message::numbered(1)).await;
        let delivery = subject.take().await;
        let before = subject.stats().await;
        assert_eq!(subject.nack_outcome(&delivery, action).await, Done);
        subject.assert_lost(&delivery).await;
        let stats = subject.stats().await;
        let (one, dead) = match action {
            NackAction::DeadLetter => (0, 1),
            _ => (1, 0),
        };
        assert_eq!(
            (stats.live(), stats.dead),
            (before.live() - 1 + one, before.dead + dead),
            "after {action:?} the message is in one place"
        );
        subject.management.purge().await.expect("purge is answered");
    }
}

pub(crate) async fn a_receipt_of_an_acked_message_settles_no_later_one(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let old = subject.take().await;
    subject.ack(&old).await;
    for _ in 0..5 {
        subject.publish(message::numbered(2)).await;
        let new = subject.take().await;
        subject.assert_lost(&old).await;
        assert_untouched(&subject, &new).await;
    }
}

pub(crate) async fn a_token_is_not_used_again_after_a_release(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let first = subject.take().await;
    subject.release(&first, AT_ONCE).await;
    let second = subject.take().await;
    assert_eq!(first.attempt, second.attempt);
    assert_replaced(&subject, &first, &second).await;
}

pub(crate) async fn a_token_is_not_used_again_after_a_retry(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let first = subject.take().await;
    subject.retry(&first, AT_ONCE, "no").await;
    let second = subject.take().await;
    assert_replaced(&subject, &first, &second).await;
}

pub(crate) async fn a_token_is_not_used_again_after_a_redrive(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let first = subject.take().await;
    subject.dead_letter(&first, "no").await;
    assert_eq!(subject.redrive_all().await, 1);
    let second = subject.take().await;
    assert_eq!(first.attempt, second.attempt);
    assert_replaced(&subject, &first, &second).await;
}

pub(crate) async fn a_token_is_not_used_again_after_a_lease_ran_out(case: Case) {
    let (subject, late, next) = overtaken(&case).await;
    assert_replaced(&subject, &late, &next).await;
}

async fn assert_replaced(subject: &Subject, old: &Delivery, new: &Delivery) {
    assert_eq!(old.message.id(), new.message.id());
    assert!(
        old.receipt != new.receipt,
        "both deliveries have the same receipt"
    );
    subject.assert_lost(old).await;
    assert_untouched(subject, new).await;
}

pub(crate) async fn no_token_of_a_long_life_is_used_twice(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let mut seen = HashSet::new();
    let mut old: Vec<Receipt> = Vec::new();
    for round in 0..30 {
        let delivery = subject.take().await;
        let receipt = delivery.receipt.clone();
        assert!(seen.insert(receipt.clone()), "a receipt came twice");
        let outcomes = subject.queue.ack(&old).await;
        let outcomes = outcomes.expect("the store answers");
        assert!(
            outcomes.iter().all(|outcome| *outcome == LeaseLost),
            "an old receipt settled delivery {round}"
        );
        match round % 3 {
            0 => subject.release(&delivery, AT_ONCE).await,
            1 => subject.retry(&delivery, AT_ONCE, "no").await,
            _ => {
                subject.dead_letter(&delivery, "no").await;
                assert_eq!(subject.redrive_all().await, 1);
            }
        }
        old.push(receipt);
    }
}

pub(crate) async fn a_receipt_of_another_queue_settles_nothing(case: Case) {
    let (here, there) = (case.holding_queue().await, case.holding_queue().await);
    here.publish(message::numbered(1)).await;
    there.publish(message::numbered(1)).await;
    let (mine, foreign) = (here.take().await, there.take().await);
    here.assert_lost(&foreign).await;
    assert_untouched(&here, &mine).await;
    assert_untouched(&there, &foreign).await;
}

pub(crate) async fn a_receipt_of_an_earlier_queue_of_the_name_settles_nothing(case: Case) {
    let earlier = case.holding_queue().await;
    earlier.publish(message::numbered(1)).await;
    let old = earlier.take().await;
    let backend = case.backend();
    let deleted = backend.delete(&earlier.name).await;
    deleted.expect("a queue that exists is deleted");
    let created = backend.create(&earlier.name, &case.holding()).await;
    created.expect("the name is free again");
    let subject = case.open(&earlier.name).await;
    subject.publish(message::numbered(2)).await;
    let new = subject.take().await;
    assert_replaced_queue(&subject, &old, &new).await;
}

async fn assert_replaced_queue(subject: &Subject, old: &Delivery, new: &Delivery) {
    assert!(old.receipt != new.receipt, "both have the same receipt");
    subject.assert_lost(old).await;
    assert_untouched(subject, new).await;
}

pub(crate) async fn a_receipt_from_before_a_restart_settles_no_later_delivery(case: Case) {
    let config = case.config();
    let subject = case.queue_with(config.clone()).await;
    let name = subject.name.clone();
    subject.publish(message::numbered(1)).await;
    let old = subject.take().await;
    drop(subject);
    let case = case.restart().await;
    // What survives is the durability's promise, not this one's.
    if case.backend().open(&name, None).await.is_err() {
        let created = case.backend().create(&name, &config).await;
        created.expect("a queue that is not there is made");
    }
    let subject = case.open(&name).await;
    if subject.stats().await.live() == 0 {
        subject.publish(message::numbered(1)).await;
    }
    let new = subject.take().await;
    assert_replaced_queue(&subject, &old, &new).await;
}
