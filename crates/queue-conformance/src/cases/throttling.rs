//! Token buckets: what each delivery costs, what no window of time exceeds, and whom a parked message does not hold up.

use std::time::Duration;

use forebay_queue_core::{CancelTarget, Delivery, NewMessage, QueueConfig, Throttle};

use crate::scheduling::{assert_rate, rate, slow};
use crate::{Case, Subject, message};

const AT_ONCE: Duration = Duration::ZERO;

fn throttled(number: usize, keys: &[&str]) -> NewMessage {
    let add =
        |message: NewMessage, key: &&str| message.with_throttle_key(message::throttle_key(key));
    keys.iter().fold(message::numbered(number), add)
}

fn many(count: usize) -> Vec<NewMessage> {
    (0..count).map(|n| throttled(n, &["mail"])).collect()
}

/// The numbers of what can be received now, sorted.
async fn now(subject: &Subject) -> Vec<usize> {
    let mut numbers = message::numbers(&subject.take_all_now().await);
    numbers.sort_unstable();
    numbers
}

/// The burst came at once, and those after it when there was a token for them, and hardly later.
fn assert_hardly_late(case: &Case, deliveries: &[Delivery], throttle: Throttle) {
    let burst = usize::try_from(throttle.burst()).expect("a case's burst is small");
    let empty = deliveries[burst - 1].delivered_at;
    let took = empty.since(deliveries[0].delivered_at);
    let most = case.timing().tolerance();
    assert!(took <= most, "the burst took {took:?}, not {most:?}");
    for (number, delivery) in (1..).zip(&deliveries[burst..]) {
        let due = empty.after(throttle.per() * number / throttle.tokens());
        let late = delivery.delivered_at.since(due);
        assert!(
            late <= most,
            "a throttled message came {late:?} late, where {most:?} is allowed"
        );
    }
}

pub(crate) async fn a_burst_passes_at_once_and_then_the_rate_holds(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let throttle = rate(2, case.timing().delay);
    let throttle = throttle.with_burst(3).expect("it is a burst");
    subject.throttle("mail", Some(throttle)).await;
    subject.publish_all(many(7)).await;
    let deliveries = subject.take_many(7).await;
    assert_rate(&deliveries, throttle);
    assert_hardly_late(&case, &deliveries, throttle);
}

pub(crate) async fn a_bucket_begins_full_and_without_a_burst_holds_a_period(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject
        .throttle("mail", Some(rate(3, Throttle::MAX_PERIOD)))
        .await;
    subject.publish_all(many(5)).await;
    assert_eq!(now(&subject).await, [0, 1, 2]);
    subject.assert_nothing_for(case.timing().delay).await;
}

pub(crate) async fn idle_time_saves_no_more_than_the_burst(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let throttle = rate(4, case.timing().delay);
    let throttle = throttle.with_burst(2).expect("it is a burst");
    subject.throttle("mail", Some(throttle)).await;
    subject.publish_all(many(12)).await;
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        deliveries.extend(subject.take_all_now().await);
        case.pass(case.timing().delay).await;
    }
    assert!(deliveries.len() >= 6, "{} came", deliveries.len());
    assert_rate(&deliveries, throttle);
}

pub(crate) async fn a_repeated_delivery_costs_a_token_too(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let throttle = rate(1, case.timing().delay);
    subject.throttle("mail", Some(throttle)).await;
    subject.publish_all(many(1)).await;
    let mut deliveries = vec![subject.take().await];
    subject.retry(&deliveries[0], AT_ONCE, "no").await;
    deliveries.push(subject.take().await);
    subject.release(&deliveries[1], AT_ONCE).await;
    deliveries.push(subject.take().await);
    subject.dead_letter(&deliveries[2], "no").await;
    assert_eq!(subject.redrive_all().await, 1);
    deliveries.push(subject.take().await);
    assert_rate(&deliveries, throttle);
}

pub(crate) async fn a_delivery_after_a_lease_ran_out_costs_a_token_too(case: Case) {
    if case.throttling_queue().await.is_none() {
        return;
    }
    let subject = case.queue().await;
    subject.throttle("mail", Some(slow(1))).await;
    subject.publish_all(many(1)).await;
    subject.take().await;
    let timing = case.timing();
    subject
        .assert_nothing_for(timing.lease + timing.tolerance())
        .await;
    subject.throttle("mail", None).await;
    assert_eq!(subject.take().await.attempt, 2);
}

pub(crate) async fn what_is_parked_keeps_nobody_waiting(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(1))).await;
    let mut messages = many(4);
    messages.extend((4..8).map(message::numbered));
    messages.push(message::numbered(8).with_fairness_key(message::fairness_key("other")));
    messages.push(throttled(9, &["sms"]));
    subject.publish_all(messages).await;
    assert_eq!(
        now(&subject).await,
        [0, 4, 5, 6, 7, 8, 9],
        "what has its token, in the same fairness key and in others"
    );
    let stats = subject.stats().await;
    assert_eq!(
        (stats.ready, stats.leased),
        (3, 7),
        "what is parked is ready"
    );
    subject.publish(message::numbered(10)).await;
    assert_eq!(now(&subject).await, [10], "who comes later passes as well");
}

pub(crate) async fn who_passes_keeps_the_order(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(1))).await;
    let of = |n: usize| {
        if n.is_multiple_of(2) {
            throttled(n, &["mail"])
        } else {
            message::numbered(n)
        }
    };
    subject.publish_all((0..20).map(of).collect()).await;
    let mut numbers = message::numbers(&subject.take_many(11).await);
    if !case.capabilities().ordering {
        numbers.sort_unstable();
    }
    assert_eq!(numbers, [0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
}

pub(crate) async fn every_bucket_of_a_message_must_have_a_token(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(4))).await;
    subject.throttle("tenant", Some(slow(1))).await;
    let mut messages: Vec<NewMessage> = (0..3).map(|n| throttled(n, &["mail", "tenant"])).collect();
    messages.extend((3..6).map(|n| throttled(n, &["tenant", "mail"])));
    messages.extend((6..10).map(|n| throttled(n, &["mail"])));
    subject.publish_all(messages).await;
    assert_eq!(
        now(&subject).await,
        [0, 6, 7, 8],
        "what lacks one token takes no other"
    );
    subject.throttle("tenant", None).await;
    subject.assert_nothing_now().await;
    subject.throttle("mail", None).await;
    assert_eq!(subject.take_many(6).await.len(), 6);
}

pub(crate) async fn a_throttle_key_that_stands_twice_costs_one_token(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(2))).await;
    let twice = |n| throttled(n, &["mail", "mail"]);
    subject.publish_all((0..3).map(twice).collect()).await;
    assert_eq!(now(&subject).await, [0, 1]);
}

pub(crate) async fn an_unknown_throttle_key_is_unlimited(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("other", Some(slow(1))).await;
    subject.publish_all(many(30)).await;
    assert_eq!(now(&subject).await.len(), 30);
}

pub(crate) async fn what_becomes_due_together_keeps_the_rate(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    let throttle = rate(4, delay);
    let throttle = throttle.with_burst(2).expect("it is a burst");
    subject.throttle("mail", Some(throttle)).await;
    let delayed = many(6).into_iter().map(|new| new.with_delay(delay));
    subject.publish_all(delayed.collect()).await;
    let deliveries = subject.take_many(6).await;
    assert_rate(&deliveries, throttle);
    assert_hardly_late(&case, &deliveries, throttle);
    for delivery in deliveries {
        let due = delivery.message.deliver_at().expect("it was delayed");
        assert!(delivery.delivered_at >= due, "a token makes nobody early");
    }
}

pub(crate) async fn every_session_and_process_draws_from_the_same_bucket(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let throttle = rate(4, case.timing().delay);
    let throttle = throttle.with_burst(1).expect("it is a burst");
    subject.throttle("mail", Some(throttle)).await;
    let there = case.another_process().await;
    let sessions = [
        subject.clone(),
        case.open(&subject.name).await,
        there.open(&subject.name).await,
    ];
    subject.publish_all(many(6)).await;
    let mut waiting = Vec::new();
    for session in &sessions {
        waiting.push(session.receiving(1, case.timing().limit).await);
    }
    let mut deliveries = Vec::new();
    for waiting in waiting {
        deliveries.extend(waiting.answer().await.expect("the session is open"));
    }
    assert_eq!(
        deliveries.len(),
        3,
        "who waits is woken when there is a token"
    );
    for session in &sessions {
        deliveries.push(session.take().await);
    }
    assert_rate(&deliveries, throttle);
}

pub(crate) async fn what_leaves_unreceived_costs_no_token(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    let throttle = rate(1, delay);
    subject.throttle("mail", Some(throttle)).await;
    let ids = subject.publish_all(many(4)).await;
    let first = subject.take().await;
    subject.assert_nothing_now().await;
    subject.cancel(CancelTarget::Id(ids[1])).await;
    case.pass(delay + case.timing().tolerance()).await;
    // By now a token may be meant for one of them.
    let next = subject.management.peek(1).await.expect("peek is answered");
    let next = next[0].message.id();
    subject.cancel(CancelTarget::Id(next)).await;
    let left = subject.take_all_now().await;
    assert_eq!(left.len(), 1, "the token is there for another");
    assert!(![ids[0], ids[1], next].contains(&left[0].message.id()));
    assert_rate(&[vec![first], left].concat(), throttle);
}

pub(crate) async fn a_parked_message_expires_and_is_purged(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    subject.throttle("mail", Some(slow(1))).await;
    subject.publish_all(many(2)).await;
    let short = throttled(2, &["mail"]).with_time_to_live(delay);
    subject.publish(short).await;
    subject.take().await;
    subject.assert_nothing_now().await;
    case.pass(delay + case.timing().tolerance()).await;
    assert_eq!(subject.stats().await.ready, 1, "one has expired");
    assert_eq!(subject.purge().await, 1);
    subject.throttle("mail", None).await;
    subject.assert_nothing_now().await;
    assert_eq!(subject.stats().await.live(), 1, "nothing is left behind");
}

pub(crate) async fn a_parked_message_takes_room(case: Case) {
    if case.throttling_queue().await.is_none() {
        return;
    }
    let config = QueueConfig {
        capacity: 3,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    subject.throttle("mail", Some(slow(1))).await;
    subject.publish_all(many(3)).await;
    subject.take().await;
    subject.assert_nothing_now().await;
    let full = subject.publish_outcome(vec![message::numbered(3)]).await;
    let full = full.expect_err("what is parked counts");
    assert!(full.is_full(), "{full:?}");
}

pub(crate) async fn tokens_go_round_the_fairness_keys(case: Case) {
    if case.fair_queue().await.is_none() {
        return;
    }
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let throttle = rate(4, case.timing().delay);
    let throttle = throttle.with_burst(1).expect("it is a burst");
    subject.throttle("mail", Some(throttle)).await;
    subject.publish_all(many(20)).await;
    subject.take_many(2).await;
    let quiet = throttled(20, &["mail"]).with_fairness_key(message::fairness_key("quiet"));
    subject.publish(quiet).await;
    let numbers = message::numbers(&subject.take_many(2).await);
    assert!(
        numbers.contains(&20),
        "one that has just come waits for one of the other key at most: {numbers:?}"
    );
}
