//! An opened handle is one session: it ends by a word or by being dropped, and holds nothing after that.

use std::time::Duration;

use forebay_queue_core::{Error, NackAction, QueueConfig, SettleOutcome};
use tokio::time::Instant;

use crate::{Case, Subject, message};

async fn every_verb_is_closed(subject: &Subject) {
    let wait = Duration::from_secs(1);
    let queue = &subject.queue;
    let answers = [
        (
            "publish",
            queue.publish(message::many(1), wait).await.map(drop),
        ),
        ("receive", queue.receive(1, wait).await.map(drop)),
        ("ack", queue.ack(&[]).await.map(drop)),
        ("nack", queue.nack(Vec::new()).await.map(drop)),
        ("extend", queue.extend(&[]).await.map(drop)),
    ];
    for (verb, answer) in answers {
        assert!(
            matches!(&answer, Err(Error::Closed { queue }) if *queue == subject.name),
            "{verb} of a closed session answers closed: {answer:?}"
        );
        let error = answer.expect_err("it is closed");
        assert!(error.is_closed() && !error.is_retryable());
    }
    queue.close().await.expect("closing twice is fine");
}

pub(crate) async fn a_closed_session_answers_closed(case: Case) {
    let subject = case.queue().await;
    let other = case.open(&subject.name).await;
    subject.queue.close().await.expect("the session closes");
    every_verb_is_closed(&subject).await;
    assert_eq!(other.stats().await.live(), 0, "nothing was published");
    let stats = subject.management.stats().await;
    assert!(stats.is_ok(), "management is no session: {stats:?}");
}

pub(crate) async fn close_answers_those_who_wait_at_once(case: Case) {
    let config = QueueConfig {
        capacity: 1,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::numbered(0)).await;
    subject.take().await;
    let limit = case.timing().limit;
    let mut receiving = Vec::new();
    for _ in 0..3 {
        receiving.push(subject.receiving(1, limit).await);
    }
    let publishing = [
        subject.publishing(message::many(1), limit).await,
        subject.publishing(message::many(1), limit).await,
    ];
    let closed = Instant::now();
    subject.queue.close().await.expect("the session closes");
    for waiting in receiving {
        let answer = waiting.answer().await;
        assert!(matches!(answer, Err(Error::Closed { .. })), "{answer:?}");
    }
    for waiting in publishing {
        let answer = waiting.answer().await;
        assert!(matches!(answer, Err(Error::Closed { .. })), "{answer:?}");
    }
    let took = closed.elapsed();
    assert!(
        took <= case.timing().tolerance(),
        "who waits is answered at once, but it took {took:?}"
    );
}

pub(crate) async fn close_leaves_other_sessions_alone(case: Case) {
    let subject = case.queue().await;
    let other = case.open(&subject.name).await;
    let waiting = other.receiving(1, case.timing().limit).await;
    subject.queue.close().await.expect("the session closes");
    case.pass(case.timing().moment()).await;
    assert!(!waiting.is_over(), "another session goes on waiting");
    other.publish(message::numbered(7)).await;
    let deliveries = waiting.answer().await.expect("it is open");
    assert_eq!(message::numbers(&deliveries), [7]);
    other.ack(&deliveries[0]).await;
}

pub(crate) async fn what_was_handed_out_comes_back_after_a_close_by_its_lease(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(0)).await;
    let started = Instant::now();
    let held = subject.take().await;
    subject.queue.close().await.expect("the session closes");
    let next = case.open(&subject.name).await;
    next.assert_nothing_for(case.timing().lease / 2).await;
    let again = next.take().await;
    assert!(
        again.delivered_at >= held.delivered_at.after(held.lease),
        "what was handed out has started: it is not handed out again within its lease"
    );
    let waited = started.elapsed();
    assert!(
        waited <= case.timing().lease + case.timing().tolerance(),
        "it comes back when its lease ends, not after {waited:?}"
    );
    assert_eq!(again.attempt, 2, "an attempt that was begun counts");
}

pub(crate) async fn what_was_not_handed_out_is_free_at_once_after_a_close(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let next = case.open(&subject.name).await;
    subject.publish_all(message::many(20)).await;
    let held = subject.take().await;
    subject.queue.close().await.expect("the session closes");
    let rest = tokio::time::timeout(case.timing().tolerance(), next.take_many(19)).await;
    let rest = rest.expect("what a session held ready is released when it closes");
    assert_eq!(message::numbers(&rest), (1..20).collect::<Vec<_>>());
    assert!(rest.iter().all(|d| d.attempt == 1), "it was not tried");
    let late = next.nack_outcome(&held, NackAction::DeadLetter).await;
    // Whether another session may settle it is the backend's affair; nobody else has it.
    assert!(matches!(
        late,
        SettleOutcome::Done | SettleOutcome::LeaseLost
    ));
}

pub(crate) async fn a_dropped_session_releases_what_it_had_not_handed_out(case: Case) {
    let subject = case.queue().await;
    let next = case.open(&subject.name).await;
    subject.publish_all(message::many(10)).await;
    let held = subject.take().await;
    drop(subject);
    let rest = tokio::time::timeout(case.timing().tolerance(), next.take_many(9)).await;
    let rest = rest.expect("what a session held ready is released when it is dropped");
    assert!(rest.iter().all(|d| d.attempt == 1), "it was not tried");
    next.ack_all(&rest).await;
    let again = next.take().await;
    assert_eq!((again.message.id(), again.attempt), (held.message.id(), 2));
}

pub(crate) async fn two_sessions_never_hold_one_message(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let other = case.open(&subject.name).await;
    subject.publish_all(message::many(10)).await;
    let mut numbers = Vec::new();
    for turn in 0..10 {
        let session = if turn % 2 == 0 { &subject } else { &other };
        let held = session.take().await;
        numbers.push(message::number(&held));
        session.ack(&held).await;
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    subject.assert_nothing_now().await;
    other.assert_nothing_now().await;
}

pub(crate) async fn a_receiver_is_served_by_a_publish_of_another_session(case: Case) {
    let subject = case.queue().await;
    let elsewhere = case.another_process().await.open(&subject.name).await;
    let waiting = subject.receiving(1, case.timing().limit).await;
    elsewhere.publish(message::numbered(7)).await;
    let answer = tokio::time::timeout(case.timing().tolerance(), waiting.answer()).await;
    let answer = answer.expect("it is handed out at once");
    assert_eq!(message::numbers(&answer.expect("it is open")), [7]);
}

pub(crate) async fn closing_the_backend_ends_its_sessions(case: Case) {
    let subject = case.queue().await;
    let elsewhere = case.another_process().await;
    let other = elsewhere.open(&subject.name).await;
    let receiving = subject.receiving(1, case.timing().limit).await;
    case.backend().close().await.expect("the backend closes");
    let answer = tokio::time::timeout(case.timing().tolerance(), receiving.answer()).await;
    let answer = answer.expect("who waits is answered at once");
    assert!(matches!(answer, Err(Error::Closed { .. })), "{answer:?}");
    every_verb_is_closed(&subject).await;
    case.backend().close().await.expect("closing twice is fine");
    if case.capabilities().shared {
        other.publish(message::numbered(7)).await;
        assert_eq!(other.drain().await, [7], "another process goes on");
    }
}
