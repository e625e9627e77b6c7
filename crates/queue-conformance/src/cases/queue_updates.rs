//! Each field of a configuration takes effect when it is changed, and nothing that is there is harmed.

use std::time::Duration;

use forebay_queue_core::{DeadLetterFilter, Error, QueueConfig, SettleOutcome, State};

use crate::{Case, Subject, message};

async fn update(case: &Case, subject: &Subject, config: &QueueConfig) {
    let updated = case.backend().update(&subject.name, config).await;
    updated.expect("a valid configuration is taken");
}

pub(crate) async fn an_update_is_kept(case: Case) {
    let subject = case.queue().await;
    let changed = QueueConfig {
        capacity: 17,
        dead_letter_limit: 18,
        ..case.config()
    };
    update(&case, &subject, &changed).await;
    let other = case.another_process().await;
    let kept = other.backend().config(&subject.name).await;
    assert_eq!(kept.expect("the queue exists"), changed);
    let opened = other.backend().open(&subject.name, Some(&changed)).await;
    assert!(opened.is_ok(), "the new configuration can be asked for");
    let old = other
        .backend()
        .open(&subject.name, Some(&case.config()))
        .await;
    let old = old.map(drop);
    assert!(
        matches!(old, Err(Error::ConfigMismatch { .. })),
        "the old one is another: {old:?}"
    );
}

pub(crate) async fn another_lease_holds_from_the_next_delivery_on(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish_all(message::many(2)).await;
    let before = subject.take().await;
    update(&case, &subject, &case.config()).await;
    // A session may learn of it within a second, as of a pause.
    case.pass(Duration::from_secs(1)).await;
    let after = subject.take().await;
    assert_eq!(after.lease, case.config().lease, "it has the new lease");
    assert_eq!(subject.queue.lease(), case.config().lease);
    let again = subject.take().await;
    assert_eq!(
        again.message.id(),
        after.message.id(),
        "the lease given before keeps its end, the later one has run out"
    );
    assert_eq!(subject.ack_outcome(&after).await, SettleOutcome::LeaseLost);
    subject.ack(&before).await;
}

pub(crate) async fn a_larger_capacity_lets_waiting_publishers_go(case: Case) {
    let small = QueueConfig {
        capacity: 1,
        ..case.holding()
    };
    let subject = case.queue_with(small.clone()).await;
    subject.publish(message::numbered(0)).await;
    let waiting = subject
        .publishing(vec![message::numbered(1)], case.timing().limit)
        .await;
    assert!(!waiting.is_over(), "a full queue makes a publisher wait");
    update(
        &case,
        &subject,
        &QueueConfig {
            capacity: 2,
            ..small
        },
    )
    .await;
    let outcomes = waiting.answer().await.expect("there is room now");
    assert_eq!(outcomes.len(), 1);
    assert_eq!(subject.stats().await.capacity, 2);
}

pub(crate) async fn a_smaller_capacity_drops_nothing_and_takes_nothing_until_there_is_room(
    case: Case,
) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish_all(message::many(4)).await;
    let smaller = QueueConfig {
        capacity: 2,
        ..case.holding()
    };
    update(&case, &subject, &smaller).await;
    assert_eq!(subject.stats().await.ready, 4, "nothing is dropped");
    let held = subject.take_many(4).await;
    for delivery in &held[..2] {
        subject.ack(delivery).await;
        let full = subject.publish_outcome(message::many(1)).await;
        let full = full.expect_err("there are as many as fit, or more");
        assert!(matches!(full, Error::Full { limit: 2, .. }), "{full:?}");
    }
    subject.ack(&held[2]).await;
    subject.publish(message::numbered(4)).await;
    assert_eq!(message::numbers(&held), [0, 1, 2, 3]);
}

pub(crate) async fn another_idempotency_window_holds_for_the_next_key(case: Case) {
    let subject = case.queue().await;
    let first = subject.publish(message::keyed("before")).await;
    let shorter = QueueConfig {
        idempotency_window: case.timing().delay,
        ..case.config()
    };
    update(&case, &subject, &shorter).await;
    subject.publish(message::keyed("after")).await;
    case.pass(case.timing().delay + case.timing().tolerance())
        .await;
    subject.publish(message::keyed("after")).await;
    let repeated = subject
        .publish_outcome(vec![message::keyed("before")])
        .await;
    let repeated = repeated.expect("there is room");
    assert!(
        repeated[0].is_duplicate() && repeated[0].id() == first,
        "a window that runs keeps its end"
    );
}

pub(crate) async fn another_idempotency_limit_holds_at_once(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::keyed("a")).await;
    let one = QueueConfig {
        idempotency_limit: 1,
        ..case.config()
    };
    update(&case, &subject, &one).await;
    let full = subject.publish_outcome(vec![message::keyed("b")]).await;
    let full = full.expect_err("one key is all that is remembered");
    assert!(matches!(full, Error::Full { limit: 1, .. }), "{full:?}");
    update(&case, &subject, &case.config()).await;
    subject.publish(message::keyed("b")).await;
}

pub(crate) async fn a_smaller_dead_letter_limit_lets_the_oldest_go_and_counts_them(case: Case) {
    let subject = case.queue().await;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(subject.publish_dead(message::numbered(number), "no").await);
    }
    let fewer = QueueConfig {
        dead_letter_limit: 3,
        ..case.config()
    };
    update(&case, &subject, &fewer).await;
    ids.push(subject.publish_dead(message::numbered(4), "no").await);
    let kept = subject.dead_letters(&DeadLetterFilter::all()).await;
    assert_eq!(kept, ids[2..], "the youngest three are kept");
    let stats = subject.stats().await;
    assert_eq!((stats.dead, stats.dead_dropped), (3, 2));
}

pub(crate) async fn another_dead_letter_retention_takes_effect(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish_dead(message::numbered(0), "no").await;
    let shorter = QueueConfig {
        dead_letter_retention: case.timing().delay,
        ..case.config()
    };
    update(&case, &subject, &shorter).await;
    case.pass(case.timing().delay + case.timing().tolerance())
        .await;
    assert_eq!(subject.state_of(id).await, None, "its time is over");
    assert_eq!(subject.stats().await.dead, 0);
}

pub(crate) async fn keeping_ended_messages_can_be_turned_on_and_off(case: Case) {
    let subject = case.queue().await;
    let keeping = QueueConfig {
        retain_done: Duration::from_hours(1),
        ..case.config()
    };
    let answer = case.backend().update(&subject.name, &keeping).await;
    if !case.capabilities().retain_done {
        assert!(
            matches!(answer, Err(Error::Unsupported { .. })),
            "{answer:?}"
        );
        let kept = case.backend().config(&subject.name).await;
        assert_eq!(kept.expect("the queue exists"), case.config());
        return;
    }
    answer.expect("the backend declares that it keeps ended messages");
    let id = subject.publish(message::numbered(0)).await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    assert_eq!(subject.state_of(id).await, Some(State::Done));
    update(&case, &subject, &case.config()).await;
    let id = subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    assert_eq!(subject.state_of(id).await, None, "it is off again");
}
