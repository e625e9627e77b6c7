//! Publishers wait for room in order of arrival, and whatever makes room lets the first of them go.

use std::time::Duration;

use forebay_queue_core::{
    CancelOutcome, CancelTarget, Error, NewMessage, PublishOutcome, QueueConfig,
};

use crate::{Case, Subject, Waiting, message};

type Publishing = Waiting<Result<Vec<PublishOutcome>, Error>>;

/// A queue that is full of one message, and a publisher who waits.
async fn full_of(case: &Case, message: NewMessage) -> (Subject, Publishing) {
    let subject = case.bounded(1).await;
    subject.publish(message).await;
    let waiting = waiting(case, &subject, 9).await;
    (subject, waiting)
}

/// A publisher who has no room yet.
async fn waiting(case: &Case, subject: &Subject, number: usize) -> Publishing {
    let batch = vec![message::numbered(number)];
    let waiting = subject.publishing(batch, case.timing().limit).await;
    assert!(!waiting.is_over(), "a full queue makes a publisher wait");
    waiting
}

/// The waiting one goes at once, by what has just happened.
async fn assert_goes(case: &Case, waiting: Publishing) {
    let at_once = case.timing().tolerance();
    let answer = tokio::time::timeout(at_once, waiting.answer()).await;
    let answer = answer.expect("room lets a waiting publisher go at once");
    assert_eq!(answer.expect("there is room").len(), 1);
}

pub(crate) async fn an_ack_lets_a_waiting_publisher_go(case: Case) {
    let (subject, held) = case.full(1).await;
    let waiting = waiting(&case, &subject, 9).await;
    subject.ack(&held[0]).await;
    assert_goes(&case, waiting).await;
    assert_eq!(subject.drain().await, [9]);
}

pub(crate) async fn a_dead_letter_lets_a_waiting_publisher_go(case: Case) {
    let (subject, held) = case.full(1).await;
    let waiting = waiting(&case, &subject, 9).await;
    subject.dead_letter(&held[0], "no").await;
    assert_goes(&case, waiting).await;
}

pub(crate) async fn a_cancel_lets_a_waiting_publisher_go(case: Case) {
    let subject = case.bounded(1).await;
    let id = subject.publish(message::numbered(0)).await;
    let waiting = waiting(&case, &subject, 9).await;
    let outcome = subject.cancel(CancelTarget::Id(id)).await;
    assert_eq!(outcome, CancelOutcome::Cancelled);
    assert_goes(&case, waiting).await;
    assert_eq!(subject.drain().await, [9]);
}

pub(crate) async fn a_purge_lets_a_waiting_publisher_go(case: Case) {
    let (subject, waiting) = full_of(&case, message::numbered(0)).await;
    assert_eq!(subject.purge().await, 1);
    assert_goes(&case, waiting).await;
    assert_eq!(subject.drain().await, [9]);
}

pub(crate) async fn an_expiry_lets_a_waiting_publisher_go(case: Case) {
    let delay = case.timing().delay;
    let short = message::numbered(0).with_time_to_live(delay);
    let (subject, waiting) = full_of(&case, short).await;
    let (answer, waited) = waiting.timed().await;
    assert_eq!(answer.expect("there is room").len(), 1);
    assert!(
        waited <= delay + case.timing().tolerance(),
        "it expired after {delay:?}, and the publisher waited {waited:?}"
    );
    assert_eq!(subject.drain().await, [9]);
}

pub(crate) async fn a_release_and_a_retry_make_no_room(case: Case) {
    let (subject, held) = case.full(2).await;
    let waiting = waiting(&case, &subject, 9).await;
    subject.release(&held[0], Duration::ZERO).await;
    subject.retry(&held[1], Duration::ZERO, "no").await;
    case.pass(case.timing().moment()).await;
    assert!(!waiting.is_over(), "there are as many messages as before");
    waiting.drop_it().await;
    assert_eq!(subject.stats().await.live(), 2);
}

pub(crate) async fn publishers_go_in_order_of_arrival(case: Case) {
    let (subject, held) = case.full(4).await;
    let mut line = Vec::new();
    for number in 10..14 {
        line.push(waiting(&case, &subject, number).await);
    }
    for delivery in &held {
        subject.ack(delivery).await;
        let first = line.remove(0);
        assert_goes(&case, first).await;
        let over = line.iter().filter(|waiting| waiting.is_over()).count();
        assert_eq!(over, 0, "room for one lets one go, and that is the first");
    }
    assert_eq!(subject.drain().await, [10, 11, 12, 13]);
}

pub(crate) async fn room_for_all_lets_all_go_in_order_of_arrival(case: Case) {
    let (subject, held) = case.full(5).await;
    let mut line = Vec::new();
    for number in 10..15 {
        line.push(waiting(&case, &subject, number).await);
    }
    subject.ack_all(&held).await;
    for waiting in line {
        assert_goes(&case, waiting).await;
    }
    assert_eq!(subject.drain().await, [10, 11, 12, 13, 14]);
}

pub(crate) async fn a_bigger_batch_at_the_front_is_not_overtaken(case: Case) {
    let (subject, held) = case.full(3).await;
    let big = vec![message::numbered(10), message::numbered(11)];
    let front = subject.publishing(big, case.timing().limit).await;
    let small = waiting(&case, &subject, 12).await;
    subject.ack(&held[0]).await;
    case.pass(case.timing().moment()).await;
    assert!(
        !front.is_over() && !small.is_over(),
        "room for one is not enough for the first, and the second does not go before it"
    );
    subject.ack(&held[1]).await;
    let outcomes = front.answer().await;
    assert_eq!(outcomes.expect("there is room for both").len(), 2);
    assert!(!small.is_over(), "there is no room for the second yet");
    subject.ack(&held[2]).await;
    assert_goes(&case, small).await;
    assert_eq!(subject.drain().await, [10, 11, 12]);
}

pub(crate) async fn who_runs_out_of_patience_lets_the_next_go(case: Case) {
    let (subject, held) = case.full(2).await;
    let big = vec![message::numbered(10), message::numbered(11)];
    let front = subject.publishing(big, case.timing().delay).await;
    let small = waiting(&case, &subject, 12).await;
    subject.ack(&held[0]).await;
    let answer = front.answer().await;
    assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}");
    assert_goes(&case, small).await;
    assert_eq!(subject.drain().await, [12]);
}

pub(crate) async fn who_is_dropped_lets_the_next_go(case: Case) {
    let (subject, held) = case.full(2).await;
    let big = vec![message::numbered(10), message::numbered(11)];
    let front = subject.publishing(big, case.timing().limit).await;
    let middle = waiting(&case, &subject, 12).await;
    let last = waiting(&case, &subject, 13).await;
    subject.ack(&held[0]).await;
    middle.drop_it().await;
    front.drop_it().await;
    assert_goes(&case, last).await;
    assert_eq!(subject.drain().await, [13]);
}

pub(crate) async fn a_publisher_who_waits_for_a_key_goes_when_a_window_ends(case: Case) {
    let delay = case.timing().delay;
    let config = QueueConfig {
        idempotency_window: delay,
        idempotency_limit: 1,
        ..case.config()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::keyed("a")).await;
    let full = subject.publish_outcome(vec![message::keyed("b")]).await;
    assert!(
        matches!(
            full,
            Err(Error::Full {
                what: "idempotency keys",
                limit: 1,
                ..
            })
        ),
        "what ran out is named: {full:?}"
    );
    subject.publish(message::numbered(1)).await;
    let waiting = subject
        .publishing(vec![message::keyed("b")], case.timing().limit)
        .await;
    let (answer, waited) = waiting.timed().await;
    assert_eq!(answer.expect("a key has been forgotten").len(), 1);
    assert!(
        waited <= delay + case.timing().tolerance(),
        "the window of {delay:?} ended, and the publisher waited {waited:?}"
    );
}
