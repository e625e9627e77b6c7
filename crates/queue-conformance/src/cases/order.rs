//! Order: first deliveries within one fairness key come in the order of acceptance.

use std::time::Duration;

use forebay_queue_core::CancelTarget;

use crate::{Case, Subject, message};

const AT_ONCE: Duration = Duration::ZERO;

/// The numbers came in the order of acceptance where the backend declares order, and each once anyway.
fn assert_order(case: &Case, mut numbers: Vec<usize>, expected: &[usize]) {
    if case.capabilities().ordering {
        assert_eq!(numbers, expected, "the order of acceptance");
        return;
    }
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    numbers.sort_unstable();
    assert_eq!(numbers, expected, "each message once");
}

fn up_to(count: usize) -> Vec<usize> {
    (0..count).collect()
}

/// All that are there, received so many at a time.
async fn receive_all(subject: &Subject, count: usize, at_once: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let step = at_once.min(count - numbers.len());
        numbers.extend(message::numbers(&subject.take_many(step).await));
    }
    numbers
}

pub(crate) async fn messages_come_in_the_order_in_which_they_were_published(case: Case) {
    let subject = case.holding_queue().await;
    for number in 0..50 {
        subject.publish(message::numbered(number)).await;
    }
    let numbers = receive_all(&subject, 50, 1).await;
    assert_order(&case, numbers, &up_to(50));
}

pub(crate) async fn messages_of_a_batch_come_in_its_order(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(100)).await;
    let numbers = receive_all(&subject, 100, 1).await;
    assert_order(&case, numbers, &up_to(100));
}

pub(crate) async fn the_order_goes_on_over_batches_of_any_size(case: Case) {
    let subject = case.holding_queue().await;
    let mut next = 0;
    for size in [1, 7, 30, 2, 60] {
        let batch = (next..next + size).map(message::numbered).collect();
        subject.publish_all(batch).await;
        next += size;
    }
    let numbers = receive_all(&subject, next, 9).await;
    assert_order(&case, numbers, &up_to(next));
}

pub(crate) async fn the_order_goes_on_over_sessions_and_processes(case: Case) {
    let subject = case.holding_queue().await;
    let there = case.another_process().await;
    let sessions = [
        subject.clone(),
        case.open(&subject.name).await,
        there.open(&subject.name).await,
    ];
    for number in 0..30 {
        sessions[number % 3]
            .publish(message::numbered(number))
            .await;
    }
    let numbers = receive_all(&subject, 30, 4).await;
    assert_order(&case, numbers, &up_to(30));
}

pub(crate) async fn each_of_two_receivers_sees_the_order(case: Case) {
    let subject = case.holding_queue().await;
    let other = case.open(&subject.name).await;
    subject.publish_all(message::many(40)).await;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        one.extend(message::numbers(&subject.take_many(2).await));
        two.extend(message::numbers(&other.take_many(2).await));
    }
    if case.capabilities().ordering {
        assert!(one.is_sorted(), "the first receiver saw {one:?}");
        assert!(two.is_sorted(), "the second receiver saw {two:?}");
    }
    one.extend(two);
    one.sort_unstable();
    assert_eq!(one, up_to(40), "each message once");
}

pub(crate) async fn each_publisher_sees_its_own_order_kept(case: Case) {
    const EACH: usize = 60;
    let subject = case.holding_queue().await;
    let mut publishers = Vec::new();
    for publisher in 0..3 {
        let session = case.open(&subject.name).await;
        publishers.push(tokio::spawn(async move {
            for start in (0..EACH).step_by(5) {
                let first = publisher * 1_000 + start;
                let batch = (first..first + 5).map(message::numbered).collect();
                session.publish_all(batch).await;
            }
        }));
    }
    let numbers = receive_all(&subject, 3 * EACH, 7).await;
    for publisher in publishers {
        publisher.await.expect("the publisher does not panic");
    }
    for publisher in 0..3 {
        let of_one = numbers.iter().filter(|n| **n / 1_000 == publisher);
        let of_one: Vec<usize> = of_one.map(|n| n % 1_000).collect();
        assert_order(&case, of_one, &up_to(EACH));
    }
}

pub(crate) async fn each_fairness_key_keeps_its_order(case: Case) {
    let subject = case.holding_queue().await;
    let of_key = |number: usize| {
        let key = ["a", "b", "c"][number % 3];
        message::numbered(number).with_fairness_key(message::fairness_key(key))
    };
    subject.publish_all((0..60).map(of_key).collect()).await;
    let numbers = receive_all(&subject, 60, 7).await;
    for key in 0..3 {
        let of_one = numbers.iter().copied().filter(|n| n % 3 == key).collect();
        let expected: Vec<usize> = (key..60).step_by(3).collect();
        assert_order(&case, of_one, &expected);
    }
}

pub(crate) async fn the_order_does_not_come_from_the_ids(case: Case) {
    let subject = case.holding_queue().await;
    let mut ids = message::ids(10);
    ids.reverse();
    for (number, id) in ids.into_iter().enumerate() {
        subject.publish(message::numbered(number).with_id(id)).await;
    }
    let numbers = receive_all(&subject, 10, 3).await;
    assert_order(&case, numbers, &up_to(10));
}

pub(crate) async fn what_is_taken_from_the_middle_leaves_the_order_whole(case: Case) {
    let subject = case.holding_queue().await;
    let ids = subject.publish_all(message::many(6)).await;
    for index in [2, 0, 5] {
        let target = CancelTarget::Id(ids[index]);
        let cancelled = subject.management.cancel(target).await;
        cancelled.expect("cancel is answered");
    }
    subject.publish(message::numbered(6)).await;
    let numbers = receive_all(&subject, 4, 1).await;
    assert_order(&case, numbers, &[1, 3, 4, 6]);
}

pub(crate) async fn what_is_given_back_goes_behind_what_is_ready(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(3)).await;
    let released = subject.take().await;
    let first = message::number(&released);
    subject.release(&released, AT_ONCE).await;
    let mut numbers = vec![first];
    for _ in 0..2 {
        let delivery = subject.take().await;
        assert_ne!(
            message::number(&delivery),
            first,
            "what is given back at once lets the others pass"
        );
        numbers.push(message::number(&delivery));
    }
    assert_order(&case, numbers, &up_to(3));
    assert_eq!(message::number(&subject.take().await), first);
}

pub(crate) async fn what_is_given_back_leaves_the_order_of_first_deliveries(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(30)).await;
    let mut seen = Vec::new();
    while seen.len() < 30 {
        let delivery = subject.take().await;
        let number = message::number(&delivery);
        if seen.contains(&number) {
            subject.ack(&delivery).await;
            continue;
        }
        seen.push(number);
        match number % 3 {
            0 => subject.release(&delivery, AT_ONCE).await,
            1 => subject.retry(&delivery, AT_ONCE, "no").await,
            _ => subject.ack(&delivery).await,
        }
    }
    assert_order(&case, seen, &up_to(30));
}

pub(crate) async fn what_is_parked_by_a_delay_lets_the_others_keep_their_order(case: Case) {
    let subject = case.holding_queue().await;
    let delay = case.timing().delay;
    let mut batch = message::many(10);
    for parked in [0, 4, 9] {
        batch[parked] = message::numbered(parked).with_delay(delay);
    }
    subject.publish_all(batch).await;
    let numbers = receive_all(&subject, 7, 2).await;
    assert_order(&case, numbers, &[1, 2, 3, 5, 6, 7, 8]);
    let mut parked = receive_all(&subject, 3, 1).await;
    parked.sort_unstable();
    assert_eq!(parked, [0, 4, 9]);
}
