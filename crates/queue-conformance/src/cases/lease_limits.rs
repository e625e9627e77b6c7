//! No fairness key has more leases that are alive than it may.

use std::time::Duration;

use forebay_queue_core::{Delivery, NackAction, NewMessage, SettleOutcome};

use crate::scheduling::{assert_rate, rate};
use crate::{Case, Subject, message};

const AT_ONCE: Duration = Duration::ZERO;

fn of_a(number: usize) -> NewMessage {
    message::numbered(number).with_fairness_key(message::fairness_key("a"))
}

fn many(count: usize) -> Vec<NewMessage> {
    (0..count).map(of_a).collect()
}

/// A new queue in which a key may have so many leases, and has messages.
async fn limited(case: &Case, limit: u32, count: usize) -> Option<Subject> {
    let subject = case.limiting_queue().await?;
    subject.limit_leases("a", limit).await;
    subject.publish_all(many(count)).await;
    Some(subject)
}

async fn leased(subject: &Subject) -> u64 {
    let stats = subject.stats_of("a").await;
    stats.map_or(0, |stats| stats.leased)
}

pub(crate) async fn a_key_has_no_more_leases_than_its_limit(case: Case) {
    let Some(subject) = limited(&case, 2, 5).await else {
        return;
    };
    assert_eq!(subject.take_all_now().await.len(), 2);
    subject.assert_nothing_for(case.timing().delay).await;
    let stats = subject.stats_of("a").await.expect("it has messages");
    assert_eq!((stats.ready, stats.leased), (3, 2));
    assert_eq!(stats.lease_limit.map(u32::from), Some(2));
}

pub(crate) async fn a_key_at_its_limit_keeps_nobody_waiting(case: Case) {
    let Some(subject) = limited(&case, 1, 4).await else {
        return;
    };
    let others = (4..8).map(message::numbered).collect();
    subject.publish_all(others).await;
    let mut numbers = message::numbers(&subject.take_all_now().await);
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 4, 5, 6, 7], "other keys have no limit");
    let waiting = subject.receiving(1, case.timing().limit).await;
    subject.publish(message::numbered(8)).await;
    let next = waiting.answer().await.expect("the session is open");
    assert_eq!(message::numbers(&next), [8]);
}

pub(crate) async fn each_key_has_a_limit_of_its_own(case: Case) {
    let Some(subject) = limited(&case, 2, 5).await else {
        return;
    };
    subject.limit_leases("b", 3).await;
    let of_b = |n| message::numbered(n).with_fairness_key(message::fairness_key("b"));
    subject.publish_all((10..15).map(of_b).collect()).await;
    let mut numbers = message::numbers(&subject.take_all_now().await);
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 10, 11, 12]);
}

pub(crate) async fn an_ack_frees_a_lease(case: Case) {
    let Some(subject) = limited(&case, 2, 5).await else {
        return;
    };
    let mut held = subject.take_many(2).await;
    for _ in 0..3 {
        let waiting = subject.receiving(1, case.timing().limit).await;
        assert!(!waiting.is_over(), "it has as many as it may");
        subject.ack(&held.remove(0)).await;
        let next = waiting.answer().await.expect("the session is open");
        assert_eq!(next.len(), 1, "who waits is woken");
        held.extend(next);
        subject.assert_nothing_now().await;
    }
    assert_eq!(leased(&subject).await, 2);
}

pub(crate) async fn each_nack_frees_a_lease(case: Case) {
    let Some(subject) = limited(&case, 1, 9).await else {
        return;
    };
    let later = case.timing().limit;
    for action in [
        NackAction::Retry { after: later },
        NackAction::Release { after: later },
        NackAction::DeadLetter,
        NackAction::Retry { after: AT_ONCE },
        NackAction::Release { after: AT_ONCE },
    ] {
        let held = subject.take().await;
        subject.assert_nothing_now().await;
        let outcome = subject.nack_outcome(&held, action).await;
        assert_eq!(outcome, SettleOutcome::Done);
        assert_eq!(leased(&subject).await, 0, "{action:?} frees it");
    }
    assert_eq!(subject.take_all_now().await.len(), 1);
}

pub(crate) async fn a_lease_that_ran_out_frees_its_place(case: Case) {
    let Some(subject) = case.limiting_queue_with(case.config()).await else {
        return;
    };
    subject.limit_leases("a", 1).await;
    subject.publish_all(many(3)).await;
    for _ in 0..2 {
        let held = subject.take().await;
        let ends = held.delivered_at.after(held.lease);
        let next = subject.take().await;
        case.assert_in_time("a place that a dead lease had", ends, next.delivered_at);
        assert_eq!(leased(&subject).await, 1);
        // A late answer frees no other's place.
        assert_eq!(subject.ack_outcome(&held).await, SettleOutcome::LeaseLost);
        subject.assert_nothing_now().await;
        subject.ack(&next).await;
    }
}

pub(crate) async fn an_extended_lease_keeps_its_place(case: Case) {
    let Some(subject) = case.limiting_queue_with(case.config()).await else {
        return;
    };
    subject.limit_leases("a", 1).await;
    subject.publish_all(many(2)).await;
    let held = subject.take().await;
    for _ in 0..3 {
        subject.assert_nothing_for(case.timing().lease / 2).await;
        let outcome = subject.extend_outcome(&held).await;
        assert_eq!(outcome, SettleOutcome::Done);
    }
    subject.ack(&held).await;
    assert_eq!(subject.take_all_now().await.len(), 1);
}

pub(crate) async fn a_repeated_delivery_has_a_lease_too(case: Case) {
    let Some(subject) = limited(&case, 1, 2).await else {
        return;
    };
    for turn in 0..6 {
        let held = subject.take().await;
        subject.assert_nothing_now().await;
        if turn % 2 == 0 {
            subject.retry(&held, AT_ONCE, "no").await;
        } else {
            subject.release(&held, AT_ONCE).await;
        }
    }
    let held = subject.take().await;
    subject.dead_letter(&held, "no").await;
    assert_eq!(subject.redrive_all().await, 1);
    assert_eq!(subject.take_all_now().await.len(), 1);
}

pub(crate) async fn a_limit_is_raised_and_lifted_while_the_queue_runs(case: Case) {
    let Some(subject) = limited(&case, 1, 8).await else {
        return;
    };
    subject.take().await;
    let waiting = subject.receiving(9, case.timing().limit).await;
    assert!(!waiting.is_over());
    subject.limit_leases("a", 3).await;
    let next = waiting.answer().await.expect("the session is open");
    assert!(!next.is_empty(), "who waits is woken");
    let rest = subject.take_all_now().await;
    assert_eq!(1 + next.len() + rest.len(), 3);
    let waiting = subject.receiving(1, case.timing().limit).await;
    subject.limit_leases("a", 0).await;
    let next = waiting.answer().await.expect("the session is open");
    assert_eq!(next.len(), 1);
    assert_eq!(subject.take_all_now().await.len(), 4, "it has no limit");
}

pub(crate) async fn a_lower_limit_takes_no_lease_away(case: Case) {
    let Some(subject) = limited(&case, 0, 8).await else {
        return;
    };
    let held: Vec<Delivery> = subject.take_many(4).await;
    subject.limit_leases("a", 2).await;
    assert_eq!(leased(&subject).await, 4, "what is leased stays leased");
    for delivery in &held[..2] {
        subject.assert_nothing_now().await;
        subject.ack(delivery).await;
    }
    subject.assert_nothing_now().await;
    subject.ack(&held[2]).await;
    assert_eq!(subject.take_all_now().await.len(), 1);
    subject.ack(&held[3]).await;
}

pub(crate) async fn every_session_and_process_has_the_same_limit(case: Case) {
    let Some(subject) = limited(&case, 2, 6).await else {
        return;
    };
    let there = case.another_process().await;
    let others = [
        case.open(&subject.name).await,
        there.open(&subject.name).await,
    ];
    let held = subject.take().await;
    others[0].take().await;
    for session in &others {
        session.assert_nothing_now().await;
    }
    let waiting = others[1].receiving(1, case.timing().limit).await;
    subject.ack(&held).await;
    let next = waiting.answer().await.expect("the session is open");
    assert_eq!(next.len(), 1);
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_limited_key_keeps_its_order(case: Case) {
    let Some(subject) = limited(&case, 2, 10).await else {
        return;
    };
    let mut numbers = Vec::new();
    while numbers.len() < 10 {
        let held = subject.take_many(2).await;
        numbers.extend(message::numbers(&held));
        subject.ack_all(&held).await;
    }
    if !case.capabilities().ordering {
        numbers.sort_unstable();
    }
    assert_eq!(numbers, (0..10).collect::<Vec<usize>>());
}

pub(crate) async fn a_key_at_its_limit_takes_no_tokens(case: Case) {
    if case.throttling_queue().await.is_none() {
        return;
    }
    let Some(subject) = case.limiting_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    let soon = delay + case.timing().tolerance();
    let throttle = rate(1, delay);
    subject.throttle("mail", Some(throttle)).await;
    subject.limit_leases("a", 1).await;
    let mail = |new: NewMessage| new.with_throttle_key(message::throttle_key("mail"));
    subject
        .publish_all(many(3).into_iter().map(mail).collect())
        .await;
    let held = subject.take().await;
    subject.publish(mail(message::numbered(3))).await;
    let other = subject.take_within(soon).await;
    assert_eq!(
        message::number(&other),
        3,
        "a token is of no use to a key that is at its limit"
    );
    subject.assert_nothing_for(delay).await;
    subject.ack(&held).await;
    let next = subject.take_within(soon).await;
    assert!(message::number(&next) < 3, "its place is free again");
    assert_rate(&[held, other, next], throttle);
}

pub(crate) async fn a_lower_limit_holds_for_those_that_have_their_tokens(case: Case) {
    if case.throttling_queue().await.is_none() {
        return;
    }
    let Some(subject) = case.limiting_queue().await else {
        return;
    };
    let timing = case.timing();
    let throttle = rate(3, timing.delay);
    subject.throttle("mail", Some(throttle)).await;
    let mail = |new: NewMessage| new.with_throttle_key(message::throttle_key("mail"));
    let messages = many(8).into_iter().map(mail).collect();
    subject.publish_all(messages).await;
    let held = subject.take_many(3).await;
    subject.assert_nothing_now().await;
    case.pass(timing.delay + timing.tolerance()).await;
    // By now three tokens may be meant for three of them.
    assert_eq!(subject.stats().await.ready, 5);
    subject.limit_leases("a", 4).await;
    assert_eq!(subject.take_all_now().await.len(), 1);
    subject.ack_all(&held).await;
    let left = subject.take_all_now().await.len();
    assert!((2..=3).contains(&left), "{left} came, where the limit is 4");
}
