//! Same key, same message: what a repeated key is answered, how many there may be, and who publishes them.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Error, Fingerprint, NewMessage, PublishOutcome, QueueConfig};

use crate::{Case, message};

pub(crate) async fn a_repeated_key_answers_with_the_first_id_and_adds_nothing(case: Case) {
    let subject = case.holding_queue().await;
    let first = subject.publish(message::keyed("k")).await;
    for _ in 0..3 {
        subject.assert_duplicate(message::keyed("k"), first).await;
    }
    let stats = subject.stats().await;
    assert_eq!(stats.live(), 1, "a duplicate adds no message");
    let delivery = subject.take().await;
    assert_eq!(delivery.message.id(), first);
    subject.assert_nothing_now().await;
}

pub(crate) async fn the_first_message_stands_whatever_its_repetition_says(case: Case) {
    let subject = case.holding_queue().await;
    let key = || message::idempotency_key("k");
    let first = subject
        .publish(message::numbered(1).with_idempotency_key(key()))
        .await;
    let id = message::ids(1)[0];
    let other = message::numbered(2)
        .with_id(id)
        .with_fairness_key(message::fairness_key("another"))
        .with_delay(case.timing().delay)
        .with_idempotency_key(key());
    subject.assert_duplicate(other, first).await;
    assert_eq!(
        subject.state_of(id).await,
        None,
        "the id of a duplicate names nothing"
    );
    assert_eq!(message::number(&subject.take().await), 1);
}

pub(crate) async fn other_keys_are_other_messages(case: Case) {
    let subject = case.holding_queue().await;
    let long = "k".repeat(255);
    let keys = [
        "k", "K", "k ", "k2", "ka", "ä", "a\u{308}", "*", "k:1", "k%1",
    ];
    for key in keys {
        subject.publish(message::keyed(key)).await;
    }
    for last in ["a", "b"] {
        subject
            .publish(message::keyed(&format!("{long}{last}")))
            .await;
    }
    assert_eq!(subject.stats().await.live(), 12);
}

pub(crate) async fn a_message_without_a_key_is_never_a_duplicate(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    subject.publish(message::numbered(1)).await;
    subject.publish(message::keyed("k")).await;
    subject.publish(message::numbered(1)).await;
    let stats = subject.stats().await;
    assert_eq!((stats.live(), stats.idempotency_keys), (4, 1));
}

pub(crate) async fn each_queue_has_keys_of_its_own(case: Case) {
    let (one, other) = (case.holding_queue().await, case.holding_queue().await);
    let first = one.publish(message::keyed("k")).await;
    let second = other.publish(message::keyed("k")).await;
    assert_ne!(first, second);
    one.assert_duplicate(message::keyed("k"), first).await;
    other.assert_duplicate(message::keyed("k"), second).await;
}

pub(crate) async fn a_repetition_inside_one_batch_is_a_duplicate_of_the_first(case: Case) {
    let subject = case.holding_queue().await;
    let batch = ["k", "k", "l", "k"].map(message::keyed).to_vec();
    let outcomes = subject.publish_outcome(batch).await;
    let outcomes = outcomes.expect("there is room");
    let duplicate = PublishOutcome::Duplicate {
        id: outcomes[0].id(),
        same_fingerprint: true,
    };
    assert!(!outcomes[0].is_duplicate(), "the first of the batch");
    assert_eq!([outcomes[1], outcomes[3]], [duplicate; 2]);
    assert!(!outcomes[2].is_duplicate(), "another key");
    assert_eq!(subject.stats().await.live(), 2);
}

pub(crate) async fn a_repetition_across_batches_is_a_duplicate(case: Case) {
    let subject = case.holding_queue().await;
    let first = ["a", "b", "c"].map(message::keyed).to_vec();
    let ids = subject.publish_all(first).await;
    let second = ["c", "d", "a", "b"].map(message::keyed).to_vec();
    let outcomes = subject.publish_outcome(second).await;
    let outcomes = outcomes.expect("there is room");
    let told: Vec<_> = outcomes.iter().map(PublishOutcome::id).collect();
    assert_eq!(
        [told[0], told[2], told[3]],
        [ids[2], ids[0], ids[1]],
        "each duplicate answers with the first id of its own key"
    );
    let duplicates: Vec<bool> = outcomes.iter().map(PublishOutcome::is_duplicate).collect();
    assert_eq!(duplicates, [true, false, true, true]);
    assert_eq!(subject.stats().await.live(), 4);
}

pub(crate) async fn a_duplicate_says_whether_the_fingerprint_is_the_same(case: Case) {
    let subject = case.holding_queue().await;
    let prints = [
        None,
        Some(message::fingerprint(1)),
        Some(message::fingerprint(2)),
    ];
    for (i, first) in prints.into_iter().enumerate() {
        for (j, second) in prints.into_iter().enumerate() {
            let expected = first == second;
            let key = format!("apart {i} {j}");
            subject.publish(printed(&key, first)).await;
            let apart = subject.publish_again(printed(&key, second)).await;
            assert_eq!(same(apart), expected, "one after the other");
            let key = format!("together {i} {j}");
            let batch = vec![printed(&key, first), printed(&key, second)];
            let outcomes = subject.publish_outcome(batch).await;
            let together = outcomes.expect("there is room")[1];
            assert_eq!(same(together), expected, "in one batch");
        }
    }
}

fn printed(key: &str, print: Option<Fingerprint>) -> NewMessage {
    match print {
        Some(print) => message::keyed(key).with_fingerprint(print),
        None => message::keyed(key),
    }
}

fn same(outcome: PublishOutcome) -> bool {
    match outcome {
        PublishOutcome::Duplicate {
            same_fingerprint, ..
        } => same_fingerprint,
        PublishOutcome::Accepted(_) => panic!("a repeated key was accepted"),
    }
}

pub(crate) async fn the_fingerprint_of_the_first_message_stays(case: Case) {
    let subject = case.holding_queue().await;
    let keyed = |number| printed("k", Some(message::fingerprint(number)));
    subject.publish(keyed(1)).await;
    assert!(!same(subject.publish_again(keyed(2)).await));
    assert!(
        !same(subject.publish_again(keyed(2)).await),
        "a duplicate leaves no fingerprint of its own"
    );
    assert!(same(subject.publish_again(keyed(1)).await));
}

pub(crate) async fn the_fingerprint_outlives_the_message(case: Case) {
    let subject = case.holding_queue().await;
    let keyed = |number| printed("k", Some(message::fingerprint(number)));
    subject.publish(keyed(1)).await;
    let delivery = subject.take().await;
    subject.retry(&delivery, Duration::ZERO, "no").await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    assert!(same(subject.publish_again(keyed(1)).await));
    assert!(!same(subject.publish_again(keyed(2)).await));
}

pub(crate) async fn a_refused_message_leaves_no_key(case: Case) {
    let config = QueueConfig {
        capacity: 2,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::numbered(1)).await;
    let batch = vec![message::keyed("k"), message::numbered(2)];
    let refused = subject.publish_outcome(batch).await;
    assert!(matches!(refused, Err(Error::Full { .. })));
    let large = case.capabilities().limits.payload + 1;
    let large = NewMessage::new(message::KIND, vec![b'x'; large]);
    let batch = vec![message::keyed("k"), large];
    let refused = subject.publish_outcome(batch).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    assert_eq!(subject.stats().await.idempotency_keys, 0);
    // Accepted, and no duplicate of what was refused.
    subject.publish(message::keyed("k")).await;
}

pub(crate) async fn keys_are_counted(case: Case) {
    let subject = case.holding_queue().await;
    for (count, key) in (1..).zip(["a", "b", "c"]) {
        subject.publish(message::keyed(key)).await;
        assert_eq!(subject.stats().await.idempotency_keys, count);
    }
    subject.publish_again(message::keyed("a")).await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    assert_eq!(
        subject.stats().await.idempotency_keys,
        3,
        "a key outlives its message"
    );
}

pub(crate) async fn too_many_keys_are_refused_all_or_nothing(case: Case) {
    let config = QueueConfig {
        idempotency_limit: 3,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    let first = subject.publish(message::keyed("a")).await;
    subject.publish(message::keyed("b")).await;
    let batch = vec![
        message::numbered(1),
        message::keyed("c"),
        message::keyed("d"),
    ];
    let refused = subject.publish_outcome(batch).await;
    assert!(
        matches!(refused, Err(Error::Full { limit: 3, .. })),
        "keys are bounded, and their bound is named"
    );
    assert_eq!(subject.stats().await.live(), 2, "nothing of it was taken");
    subject.publish(message::keyed("c")).await;
    let refused = subject.publish_outcome(vec![message::keyed("d")]).await;
    assert!(matches!(refused, Err(Error::Full { .. })));
    subject.assert_duplicate(message::keyed("a"), first).await;
    subject.publish(message::numbered(1)).await;
}

pub(crate) async fn a_nack_is_not_refused_for_want_of_room_for_keys(case: Case) {
    let window = case.timing().delay;
    let config = QueueConfig {
        idempotency_limit: 1,
        idempotency_window: window,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::keyed("a")).await;
    let a = subject.take().await;
    case.pass(window + case.timing().tolerance()).await;
    subject.publish(message::keyed("b")).await;
    // Its key is remembered anew, over the limit.
    subject.retry(&a, Duration::ZERO, "no").await;
}

pub(crate) async fn many_publishers_of_one_key_make_one_message(case: Case) {
    const ROUNDS: usize = 20;
    let subject = case.holding_queue().await;
    let there = case.another_process().await;
    let mut sessions = vec![subject.clone()];
    for number in 0..5 {
        let at = if number % 2 == 0 { &case } else { &there };
        sessions.push(at.open(&subject.name).await);
    }
    for round in 0..ROUNDS {
        let start = Arc::new(tokio::sync::Barrier::new(sessions.len()));
        let mut publishers = Vec::new();
        for session in &sessions {
            let (session, start) = (session.clone(), Arc::clone(&start));
            publishers.push(tokio::spawn(async move {
                start.wait().await;
                let message = message::keyed(&round.to_string());
                session.publish_again(message).await
            }));
        }
        let mut outcomes = Vec::new();
        for publisher in publishers {
            outcomes.push(publisher.await.expect("the publisher does not panic"));
        }
        let accepted = outcomes.iter().filter(|o| !o.is_duplicate()).count();
        assert_eq!(accepted, 1, "one of them is the first");
        let first = outcomes[0].id();
        assert!(
            outcomes.iter().all(|outcome| outcome.id() == first),
            "all of them name the same message"
        );
    }
    let count = u64::try_from(ROUNDS).expect("it is small");
    assert_eq!(subject.stats().await.live(), count);
}

pub(crate) async fn batches_that_share_keys_in_another_order_all_go_through(case: Case) {
    const ROUNDS: usize = 10;
    const KEYS: usize = 8;
    let subject = case.holding_queue().await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(case.open(&subject.name).await);
    }
    for round in 0..ROUNDS {
        let mut publishers = Vec::new();
        for (number, session) in sessions.iter().enumerate() {
            let mut keys: Vec<usize> = (0..KEYS).collect();
            keys.rotate_left(number * 2);
            if number % 2 == 1 {
                keys.reverse();
            }
            let session = session.clone();
            publishers.push(tokio::spawn(async move {
                let keyed = |key: &usize| message::keyed(&format!("{round} {key}"));
                let batch = keys.iter().map(keyed).collect();
                let outcomes = session.publish_outcome(batch).await;
                let outcomes = outcomes.expect("no batch is in the way of another");
                let mut ids: Vec<_> = keys.into_iter().zip(outcomes).collect();
                ids.sort_by_key(|(key, _)| *key);
                let id = |(_, outcome): (usize, PublishOutcome)| outcome.id();
                ids.into_iter().map(id).collect::<Vec<_>>()
            }));
        }
        let mut told = Vec::new();
        for publisher in publishers {
            told.push(publisher.await.expect("the publisher does not panic"));
        }
        assert!(
            told.iter().all(|ids| *ids == told[0]),
            "each key stands for one message, whoever asks"
        );
    }
    let count = u64::try_from(ROUNDS * KEYS).expect("it is small");
    assert_eq!(subject.stats().await.live(), count);
}
