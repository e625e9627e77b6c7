//! A queue is bounded, and nothing is dropped to make room.

use std::time::Duration;

use forebay_queue_core::{Certainty, Error, NackAction, QueueConfig, SettleOutcome};

use crate::{Case, Subject, message};

async fn assert_full(subject: &Subject, when: &str) {
    let answer = subject.publish_outcome(message::many(1)).await;
    assert!(
        matches!(answer, Err(Error::Full { .. })),
        "{when} the queue is full: {answer:?}"
    );
}

pub(crate) async fn capacity_counts_scheduled_ready_and_leased(case: Case) {
    let subject = case.bounded(3).await;
    subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    subject.publish(message::numbered(1)).await;
    let later = message::numbered(2).with_delay(case.timing().limit);
    subject.publish(later).await;
    let stats = subject.stats().await;
    assert_eq!((stats.scheduled, stats.ready, stats.leased), (1, 1, 1));
    assert_eq!((stats.live(), stats.capacity), (3, 3));
    assert_full(&subject, "with one of each").await;
    subject.ack(&held).await;
    subject.publish(message::numbered(3)).await;
    assert_full(&subject, "with its room used again").await;
}

pub(crate) async fn dead_letters_and_remembered_keys_take_no_room(case: Case) {
    let subject = case.bounded(1).await;
    for number in 0..3 {
        subject.publish_dead(message::numbered(number), "no").await;
    }
    for key in ["a", "b"] {
        subject.publish(message::keyed(key)).await;
        let delivery = subject.take().await;
        subject.ack(&delivery).await;
    }
    subject.publish(message::numbered(3)).await;
    assert_eq!(subject.stats().await.dead, 3);
}

pub(crate) async fn full_comes_after_the_patience_and_not_before(case: Case) {
    let (subject, _held) = case.full(1).await;
    let delay = case.timing().delay;
    for patience in [Duration::ZERO, delay, 2 * delay] {
        let waiting = subject.publishing(message::many(1), patience).await;
        let (answer, waited) = waiting.timed().await;
        assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}");
        // A clock of whole milliseconds may round.
        let least = patience.saturating_sub(Duration::from_millis(1));
        assert!(
            (least..=patience + case.timing().tolerance()).contains(&waited),
            "a patience of {patience:?} was waited for, took {waited:?}"
        );
    }
    assert_eq!(subject.stats().await.live(), 1, "nothing was published");
}

pub(crate) async fn full_says_which_queue_what_and_how_many(case: Case) {
    let (subject, _held) = case.full(2).await;
    let answer = subject.publish_outcome(message::many(1)).await;
    let error = answer.expect_err("the queue is full");
    assert!(
        matches!(&error, Error::Full { queue, what: "messages", limit: 2 } if *queue == subject.name),
        "{error:?}"
    );
    assert!(error.is_full() && error.is_retryable());
    assert_eq!(error.certainty(), Certainty::NotDone);
    let text = error.to_string();
    assert!(
        text.contains(subject.name.as_str()) && text.contains('2'),
        "{text}"
    );
}

pub(crate) async fn nothing_is_dropped_to_make_room(case: Case) {
    let subject = case.bounded(4).await;
    subject.publish_all(message::many(4)).await;
    for number in 4..20 {
        let more = vec![message::numbered(number)];
        let answer = subject.publish_outcome(more).await;
        assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}");
    }
    assert_eq!(
        subject.drain().await,
        [0, 1, 2, 3],
        "what was accepted is there, and what was refused is not"
    );
}

pub(crate) async fn a_batch_that_does_not_fit_whole_is_not_taken_in_part(case: Case) {
    let subject = case.bounded(3).await;
    subject.publish_all(message::many(2)).await;
    let batch = vec![message::numbered(8), message::numbered(9)];
    for patience in [Duration::ZERO, case.timing().moment()] {
        let answer = subject.queue.publish(batch.clone(), patience).await;
        assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}");
        assert_eq!(
            subject.stats().await.live(),
            2,
            "nothing of the batch is there"
        );
    }
    assert_eq!(subject.drain().await, [0, 1]);
    subject.publish_all(batch).await;
}

pub(crate) async fn a_batch_larger_than_the_capacity_is_refused_at_once(case: Case) {
    let subject = case.bounded(2).await;
    let waiting = subject
        .publishing(message::many(3), case.timing().limit)
        .await;
    let (answer, waited) = waiting.timed().await;
    assert!(
        matches!(
            answer,
            Err(Error::TooLarge {
                size: 3,
                limit: 2,
                ..
            })
        ),
        "it will never fit, and says how much is too much: {answer:?}"
    );
    assert!(
        waited <= case.timing().tolerance(),
        "no waiting helps, but it took {waited:?}"
    );
    assert_eq!(subject.stats().await.live(), 0);
    subject.publish_all(message::many(2)).await;
}

pub(crate) async fn known_keys_are_answered_although_the_queue_is_full(case: Case) {
    let subject = case.bounded(1).await;
    let first = subject.publish(message::keyed("k")).await;
    let again = vec![message::keyed("k"), message::keyed("k")];
    let outcomes = subject.publish_outcome(again).await;
    let outcomes = outcomes.expect("a duplicate needs no room");
    for outcome in outcomes {
        assert!(outcome.is_duplicate() && outcome.id() == first);
    }
    let mixed = vec![message::keyed("k"), message::keyed("new")];
    let answer = subject.publish_outcome(mixed).await;
    assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}");
    let held = subject.take().await;
    subject.ack(&held).await;
    // A refused batch has remembered none of its keys.
    subject.publish(message::keyed("new")).await;
}

pub(crate) async fn settlement_is_never_refused_for_want_of_room(case: Case) {
    let (subject, held) = case.full(5).await;
    let smaller = QueueConfig {
        capacity: 1,
        ..case.holding()
    };
    let updated = case.backend().update(&subject.name, &smaller).await;
    updated.expect("a smaller capacity is taken");
    assert_full(&subject, "before anything is settled").await;
    assert_eq!(subject.extend_outcome(&held[0]).await, SettleOutcome::Done);
    subject.release(&held[0], Duration::ZERO).await;
    subject.retry(&held[1], Duration::ZERO, "no").await;
    subject.retry(&held[2], case.timing().limit, "no").await;
    subject.dead_letter(&held[3], "no").await;
    subject.ack(&held[4]).await;
    let stats = subject.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased), (2, 1, 0));
    assert_eq!(stats.dead, 1);
    let again = subject.take().await;
    let outcome = subject.nack_outcome(
        &again,
        NackAction::Release {
            after: Duration::ZERO,
        },
    );
    assert_eq!(outcome.await, SettleOutcome::Done);
}

pub(crate) async fn a_lease_that_runs_out_needs_no_room_and_makes_none(case: Case) {
    let config = QueueConfig {
        capacity: 1,
        ..case.config()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::numbered(7)).await;
    subject.take().await;
    let lease = case.timing().lease;
    let waiting = subject
        .publishing(message::many(1), lease + case.timing().tolerance())
        .await;
    let answer = waiting.answer().await;
    assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}");
    let again = subject.take().await;
    assert_eq!((message::number(&again), again.attempt), (7, 2));
}
