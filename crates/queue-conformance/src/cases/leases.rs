//! One holder: while a lease lasts no one else receives the message, and no longer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_queue_core::{MessageId, QueueConfig, SettleOutcome, State, Timestamp};
use tokio::time::Instant;

use crate::{Case, Subject, Timing, message};

use SettleOutcome::{Done, LeaseLost};

pub(crate) async fn while_a_lease_lasts_no_one_else_receives_the_message(case: Case) {
    let subject = case.queue().await;
    let session = case.open(&subject.name).await;
    let there = case.another_process().await;
    let elsewhere = there.open(&subject.name).await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    let half = case.timing().lease / 2;
    tokio::join!(
        subject.assert_nothing_for(half),
        session.assert_nothing_for(half),
        elsewhere.assert_nothing_for(half),
    );
    assert_eq!(
        subject.ack_outcome(&delivery).await,
        Done,
        "half of the lease was left"
    );
}

pub(crate) async fn a_lease_is_as_long_as_the_queue_says(case: Case) {
    let lease = case.timing().lease * 3;
    let config = QueueConfig {
        lease,
        ..QueueConfig::default()
    };
    let subject = case.queue_with(config).await;
    let id = subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    assert_eq!(subject.queue.lease(), lease, "what the session tells");
    assert_eq!(delivery.lease, lease, "what the delivery tells");
    let until = delivery.delivered_at.after(lease);
    assert_near(leased_until(&subject, id).await, until);
    subject.assert_nothing_for(case.timing().lease * 2).await;
    subject.ack(&delivery).await;
}

async fn leased_until(subject: &Subject, id: MessageId) -> Timestamp {
    let stored = subject.get(id).await.expect("a leased message is there");
    assert_eq!(stored.state, State::Leased);
    let until = stored.leased_until;
    until.expect("a leased message tells when its lease ends")
}

fn assert_near(told: Timestamp, expected: Timestamp) {
    let apart = told.since(expected).max(expected.since(told));
    assert!(
        apart <= Timing::GRAIN,
        "the lease is told to end at {told}, it ends at {expected}"
    );
}

pub(crate) async fn a_lease_that_ran_out_brings_the_message_back_in_time(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(1)).await;
    let first = subject.take().await;
    let again = subject.take().await;
    assert_eq!(again.message.id(), first.message.id());
    let due = first.delivered_at.after(case.timing().lease);
    case.assert_in_time("a message whose lease ran out", due, again.delivered_at);
}

pub(crate) async fn a_lease_given_to_one_receiver_wakes_another_when_it_runs_out(case: Case) {
    let subject = case.queue().await;
    let one = subject.receiving(1, case.timing().limit).await;
    let two = subject.receiving(1, case.timing().limit).await;
    subject.publish(message::numbered(1)).await;
    let answers = [one.answer().await, two.answer().await];
    let [one, two] = answers.map(|answer| {
        let mut deliveries = answer.expect("the session is open");
        deliveries.pop().expect("each of them gets the message")
    });
    let (first, again) = if one.attempt == 1 {
        (one, two)
    } else {
        (two, one)
    };
    assert_eq!((first.attempt, again.attempt), (1, 2));
    let due = first.delivered_at.after(case.timing().lease);
    case.assert_in_time("a message whose lease ran out", due, again.delivered_at);
}

pub(crate) async fn many_leases_that_run_out_together_come_back_in_time(case: Case) {
    let count = case.capabilities().limits.batch.min(200);
    let subject = case.queue().await;
    subject.publish_all(message::many(count)).await;
    let mut first = subject.take_many(count).await;
    let mut again = subject.take_many(count).await;
    first.sort_by_key(message::number);
    again.sort_by_key(message::number);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(again.message.id(), first.message.id(), "one came twice");
        let due = first.delivered_at.after(case.timing().lease);
        case.assert_in_time("a message whose lease ran out", due, again.delivered_at);
    }
}

pub(crate) async fn a_lease_that_ran_out_is_lost_even_if_nobody_took_the_message(case: Case) {
    let subject = case.queue().await;
    subject.publish_all(message::many(3)).await;
    let deliveries = subject.take_many(3).await;
    case.pass(case.timing().lease + case.timing().lateness)
        .await;
    for delivery in &deliveries {
        subject.assert_lost(delivery).await;
    }
    let again = subject.take_many(3).await;
    assert!(
        again.iter().all(|delivery| delivery.attempt == 2),
        "the late answers changed nothing"
    );
    assert_eq!(subject.stats().await.dead, 0);
}

pub(crate) async fn an_extension_lasts_from_now(case: Case) {
    let lease = case.timing().lease;
    let subject = case.queue().await;
    let id = subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    case.pass(lease / 2).await;
    let before = Instant::now();
    assert_eq!(subject.extend_outcome(&delivery).await, Done);
    let after = Instant::now();
    let told = leased_until(&subject, id).await;
    subject.take().await;
    let arrived = Instant::now();
    assert!(
        arrived + Timing::GRAIN >= before + lease,
        "{:?} after the extension, where the lease is {lease:?}",
        arrived - before
    );
    assert!(
        arrived <= after + lease + case.timing().tolerance(),
        "{:?} after the extension, where the lease is {lease:?}",
        arrived - after
    );
    let gained = told.since(delivery.delivered_at.after(lease));
    assert!(
        gained + Timing::GRAIN >= lease / 2,
        "half a lease was gained, not {gained:?}"
    );
}

pub(crate) async fn an_extension_keeps_a_waiting_receiver_waiting(case: Case) {
    let lease = case.timing().lease;
    let subject = case.queue().await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    let waiting = subject.receiving(1, case.timing().limit).await;
    case.pass(lease / 2).await;
    assert_eq!(subject.extend_outcome(&delivery).await, Done);
    case.pass(lease * 3 / 4).await;
    assert!(
        !waiting.is_over(),
        "the first lease has ended, its extension has not"
    );
    let again = waiting.answer().await.expect("the session is open");
    assert_eq!(again.len(), 1, "the extension has ended too");
}

pub(crate) async fn a_delivery_can_be_extended_again_and_again(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    for round in 1..=4 {
        subject.assert_nothing_for(case.timing().lease / 2).await;
        assert_eq!(
            subject.extend_outcome(&delivery).await,
            Done,
            "extension {round} with the receipt of the delivery"
        );
    }
    subject.ack(&delivery).await;
}

pub(crate) async fn an_extension_of_one_lease_leaves_the_others(case: Case) {
    let lease = case.timing().lease;
    let subject = case.queue().await;
    subject.publish_all(message::many(2)).await;
    let deliveries = subject.take_many(2).await;
    let (kept, left) = (&deliveries[0], &deliveries[1]);
    case.pass(lease / 2).await;
    assert_eq!(subject.extend_outcome(kept).await, Done);
    let back = subject.take().await;
    assert_eq!(back.message.id(), left.message.id());
    assert_eq!(back.attempt, 2);
    subject.ack(kept).await;
    subject.assert_lost(left).await;
}

pub(crate) async fn a_message_that_was_acked_does_not_come_back(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    subject
        .assert_nothing_for(case.timing().lease + case.timing().tolerance())
        .await;
    assert_eq!(subject.state_of(id).await, None);
}

pub(crate) async fn a_message_that_was_extended_and_acked_does_not_come_back(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    assert_eq!(subject.extend_outcome(&delivery).await, Done);
    subject.ack(&delivery).await;
    assert_eq!(subject.extend_outcome(&delivery).await, LeaseLost);
    subject
        .assert_nothing_for(case.timing().lease + case.timing().tolerance())
        .await;
}

pub(crate) async fn a_lease_on_one_message_does_not_hold_up_the_others(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(3)).await;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        // None of them is settled.
        let delivery = subject.take_within(case.timing().lease).await;
        seen.insert(message::number(&delivery));
    }
    assert_eq!(seen.len(), 3);
}

pub(crate) async fn each_message_has_one_holder_however_many_receive(case: Case) {
    const MESSAGES: usize = 200;
    let subject = case.holding_queue().await;
    let there = case.another_process().await;
    let total = Arc::new(AtomicUsize::new(0));
    let mut receivers = Vec::new();
    for number in 0..4 {
        let at = if number % 2 == 0 { &case } else { &there };
        let session = at.open(&subject.name).await;
        let (total, moment) = (Arc::clone(&total), case.timing().moment());
        let end = Instant::now() + case.timing().limit;
        receivers.push(tokio::spawn(async move {
            let mut held = Vec::new();
            while total.load(Ordering::Relaxed) < MESSAGES && Instant::now() < end {
                let deliveries = session.queue.receive(7, moment).await;
                let deliveries = deliveries.expect("the session is open");
                total.fetch_add(deliveries.len(), Ordering::Relaxed);
                held.extend(deliveries);
                tokio::task::yield_now().await;
            }
            // All are held by now, so this one gets nothing.
            let more = session.queue.receive(7, moment).await;
            held.extend(more.expect("the session is open"));
            // The sessions stay open for as long as something is held by them.
            (session, held)
        }));
    }
    for start in (0..MESSAGES).step_by(20) {
        let batch = (start..start + 20).map(message::numbered).collect();
        subject.publish_all(batch).await;
        tokio::task::yield_now().await;
    }
    let mut ends = Vec::new();
    for receiver in receivers {
        ends.push(receiver.await.expect("the receiver does not panic"));
    }
    let mut seen = BTreeSet::new();
    for delivery in ends.iter().flat_map(|(_, held)| held) {
        assert!(
            seen.insert(message::number(delivery)),
            "a message was handed out while someone held it"
        );
        assert_eq!(delivery.attempt, 1);
    }
    assert_eq!(seen.len(), MESSAGES, "each message was handed out");
}
