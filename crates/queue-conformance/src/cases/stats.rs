//! The counts are true at every step of a message's life.

use std::time::Duration;

use forebay_queue_core::{CancelTarget, DeadLetterFilter, QueueConfig, Stats};

use crate::{Case, Subject, message};

/// Scheduled, ready, leased, dead.
async fn counts(subject: &Subject) -> [u64; 4] {
    let stats = subject.stats().await;
    [stats.scheduled, stats.ready, stats.leased, stats.dead]
}

pub(crate) async fn a_new_queue_counts_nothing(case: Case) {
    let config = QueueConfig {
        capacity: 42,
        ..case.config()
    };
    let subject = case.queue_with(config).await;
    let expected = Stats {
        capacity: 42,
        ..Stats::default()
    };
    assert_eq!(subject.stats().await, expected);
}

pub(crate) async fn each_step_of_a_life_is_counted(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let delay = case.timing().delay;
    subject
        .publish(message::numbered(0).with_delay(delay))
        .await;
    assert_eq!(counts(&subject).await, [1, 0, 0, 0], "published for later");
    case.pass(delay + case.timing().tolerance()).await;
    assert_eq!(counts(&subject).await, [0, 1, 0, 0], "due");
    let held = subject.take().await;
    assert_eq!(counts(&subject).await, [0, 0, 1, 0], "handed out");
    subject.extend_outcome(&held).await;
    assert_eq!(counts(&subject).await, [0, 0, 1, 0], "extended");
    subject.release(&held, Duration::ZERO).await;
    assert_eq!(counts(&subject).await, [0, 1, 0, 0], "released");
    let held = subject.take().await;
    subject.retry(&held, delay, "no").await;
    assert_eq!(counts(&subject).await, [1, 0, 0, 0], "to be retried later");
    let held = subject.take().await;
    subject.dead_letter(&held, "no").await;
    assert_eq!(counts(&subject).await, [0, 0, 0, 1], "dead");
    subject.redrive(&DeadLetterFilter::all(), 1).await;
    assert_eq!(counts(&subject).await, [0, 1, 0, 0], "redriven");
    let held = subject.take().await;
    subject.ack(&held).await;
    assert_eq!(counts(&subject).await, [0, 0, 0, 0], "acked");
    assert_eq!(subject.stats().await.done, 0, "ended ones are not kept");
}

pub(crate) async fn many_messages_in_many_states_are_counted_each_once(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let ids = subject.publish_all(message::many(20)).await;
    let held = subject.take_many(9).await;
    for delivery in &held[..2] {
        subject.ack(delivery).await;
    }
    for delivery in &held[2..5] {
        subject.dead_letter(delivery, "no").await;
    }
    let later = |n: usize| message::numbered(n).with_delay(case.timing().limit);
    subject.publish_all((0..6).map(later).collect()).await;
    subject.cancel(CancelTarget::Id(ids[19])).await;
    assert_eq!(counts(&subject).await, [6, 10, 4, 3]);
    let stats = subject.stats().await;
    assert_eq!(stats.live(), 20);
    assert_eq!((stats.done, stats.dead_dropped), (0, 0));
    subject.purge().await;
    assert_eq!(counts(&subject).await, [0, 0, 4, 3]);
}

pub(crate) async fn the_end_of_a_lease_is_counted_without_a_receiver(case: Case) {
    let subject = case.queue().await;
    subject.publish_all(message::many(3)).await;
    subject.take_many(2).await;
    assert_eq!(counts(&subject).await, [0, 1, 2, 0]);
    case.pass(case.timing().lease + case.timing().tolerance())
        .await;
    assert_eq!(counts(&subject).await, [0, 3, 0, 0]);
}

pub(crate) async fn an_expired_message_is_no_longer_counted(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    let short = message::numbered(0).with_time_to_live(delay);
    let scheduled = message::numbered(1)
        .with_time_to_live(delay)
        .with_delay(2 * delay);
    subject.publish_all(vec![short, scheduled]).await;
    assert_eq!(counts(&subject).await, [1, 1, 0, 0]);
    case.pass(delay + case.timing().tolerance()).await;
    assert_eq!(counts(&subject).await, [0, 0, 0, 0]);
}

pub(crate) async fn the_oldest_age_is_of_the_one_that_has_been_ready_longest(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let (delay, tolerance) = (case.timing().delay, case.timing().tolerance());
    assert_eq!(subject.stats().await.oldest_age, None);
    subject
        .publish(message::numbered(0).with_delay(case.timing().limit))
        .await;
    assert_eq!(subject.stats().await.oldest_age, None, "it is not ready");
    subject.publish(message::numbered(1)).await;
    case.pass(delay).await;
    subject.publish(message::numbered(2)).await;
    case.pass(delay).await;
    let age = subject.stats().await.oldest_age.expect("two are ready");
    assert!(
        (2 * delay..=2 * delay + tolerance).contains(&age),
        "the first has waited for {:?}, and {age:?} is said",
        2 * delay
    );
    let held = subject.take().await;
    let age = subject.stats().await.oldest_age.expect("one is ready");
    assert!(
        (delay..=delay + tolerance).contains(&age),
        "the second has waited for {delay:?}, and {age:?} is said"
    );
    subject.take().await;
    assert_eq!(subject.stats().await.oldest_age, None, "both are held");
    subject.release(&held, Duration::ZERO).await;
    let age = subject.stats().await.oldest_age.expect("one is ready");
    assert!(
        age <= tolerance,
        "it is ready since its release, not {age:?}"
    );
}

pub(crate) async fn the_oldest_age_of_a_delayed_message_counts_from_when_it_was_due(case: Case) {
    let subject = case.queue().await;
    let (delay, tolerance) = (case.timing().delay, case.timing().tolerance());
    subject
        .publish(message::numbered(0).with_delay(delay))
        .await;
    case.pass(3 * delay).await;
    let age = subject.stats().await.oldest_age.expect("it is ready");
    assert!(
        (2 * delay..=2 * delay + tolerance).contains(&age),
        "it has been due for {:?}, and {age:?} is said",
        2 * delay
    );
}

pub(crate) async fn remembered_keys_are_counted_until_their_window_ends(case: Case) {
    let delay = case.timing().delay;
    let config = QueueConfig {
        idempotency_window: delay,
        ..case.config()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::numbered(0)).await;
    assert_eq!(subject.stats().await.idempotency_keys, 0);
    let keyed = vec![message::keyed("a"), message::keyed("b")];
    subject.publish_all(keyed).await;
    let again = subject.publish_outcome(vec![message::keyed("a")]).await;
    assert!(again.expect("it is answered")[0].is_duplicate());
    subject.drain().await;
    assert_eq!(
        subject.stats().await.idempotency_keys,
        2,
        "each key once, also when its message is gone"
    );
    case.pass(delay + case.timing().tolerance()).await;
    assert_eq!(subject.stats().await.idempotency_keys, 0);
}

pub(crate) async fn a_pause_is_told(case: Case) {
    let subject = case.queue().await;
    assert!(!subject.stats().await.paused);
    let paused = subject.management.pause().await;
    paused.expect("the queue is paused");
    assert!(subject.stats().await.paused);
    subject.resume().await;
    assert!(!subject.stats().await.paused);
}

pub(crate) async fn every_session_and_process_sees_the_same_counts(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let second = case.open(&subject.name).await;
    let elsewhere = case.another_process().await.open(&subject.name).await;
    subject.publish_all(message::many(4)).await;
    let held = second.take().await;
    second.dead_letter(&held, "no").await;
    elsewhere.take().await;
    for session in [&subject, &second, &elsewhere] {
        assert_eq!(counts(session).await, [0, 2, 1, 1]);
    }
}
