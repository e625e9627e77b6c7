//! Batch first: answer *i* belongs to input *i*, and a batch is taken whole or not at all.

use std::time::Duration;

use forebay_queue_core::{
    Delivery, Error, Nack, NackAction, PublishOutcome, Receipt, SettleOutcome, State,
};

use crate::{Case, Subject, message};

use SettleOutcome::{Done, LeaseLost};

const AT_ONCE: Duration = Duration::ZERO;

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|d| d.receipt.clone()).collect()
}

fn nacks(deliveries: &[Delivery], action: NackAction) -> Vec<Nack> {
    let nack = |delivery: &Delivery| Nack {
        receipt: delivery.receipt.clone(),
        action,
        cause: None,
    };
    deliveries.iter().map(nack).collect()
}

/// Three deliveries of which the first is settled already.
async fn three_but_one(case: &Case) -> (Subject, Vec<Delivery>) {
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(3)).await;
    let deliveries = subject.take_many(3).await;
    subject.ack(&deliveries[0]).await;
    (subject, deliveries)
}

pub(crate) async fn an_empty_batch_is_answered_with_nothing(case: Case) {
    let subject = case.holding_queue().await;
    let published = subject.publish_outcome(Vec::new()).await;
    assert_eq!(published.expect("an empty publish is fine"), []);
    let queue = &subject.queue;
    assert_eq!(queue.ack(&[]).await.expect("an empty ack is fine"), []);
    let nacked = queue.nack(Vec::new()).await;
    assert_eq!(nacked.expect("an empty nack is fine"), []);
    let extended = queue.extend(&[]).await;
    assert_eq!(extended.expect("an empty extend is fine"), []);
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn publish_outcomes_stand_in_the_order_of_the_messages(case: Case) {
    let subject = case.holding_queue().await;
    let known = subject.publish(message::keyed("known")).await;
    let ids = message::ids(3);
    let batch = vec![
        message::numbered(1).with_id(ids[0]),
        message::keyed("known"),
        message::keyed("new").with_id(ids[1]),
        message::keyed("known"),
        message::numbered(2).with_id(ids[2]),
        message::keyed("new"),
    ];
    let outcomes = subject.publish_outcome(batch).await;
    let duplicate = |id| PublishOutcome::Duplicate {
        id,
        same_fingerprint: true,
    };
    assert_eq!(
        outcomes.expect("there is room"),
        [
            PublishOutcome::Accepted(ids[0]),
            duplicate(known),
            PublishOutcome::Accepted(ids[1]),
            duplicate(known),
            PublishOutcome::Accepted(ids[2]),
            duplicate(ids[1]),
        ]
    );
}

pub(crate) async fn ack_outcomes_stand_in_the_order_of_the_receipts(case: Case) {
    let (subject, deliveries) = three_but_one(&case).await;
    let outcomes = subject.queue.ack(&receipts(&deliveries)).await;
    let outcomes = outcomes.expect("the store answers");
    assert_eq!(
        outcomes,
        [LeaseLost, Done, Done],
        "outcome i is of receipt i"
    );
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn extend_outcomes_stand_in_the_order_of_the_receipts(case: Case) {
    let (subject, deliveries) = three_but_one(&case).await;
    let outcomes = subject.queue.extend(&receipts(&deliveries)).await;
    let outcomes = outcomes.expect("the store answers");
    assert_eq!(
        outcomes,
        [LeaseLost, Done, Done],
        "outcome i is of receipt i"
    );
}

pub(crate) async fn nack_outcomes_stand_in_the_order_of_the_receipts(case: Case) {
    let (subject, deliveries) = three_but_one(&case).await;
    let action = NackAction::DeadLetter;
    let outcomes = subject.queue.nack(nacks(&deliveries, action)).await;
    let outcomes = outcomes.expect("the store answers");
    assert_eq!(
        outcomes,
        [LeaseLost, Done, Done],
        "outcome i is of receipt i"
    );
    assert_eq!(subject.stats().await.dead, 2);
}

pub(crate) async fn each_nack_of_a_batch_goes_its_own_way(case: Case) {
    let subject = case.holding_queue().await;
    let after = case.timing().limit;
    let ids = subject.publish_all(message::many(4)).await;
    let mut deliveries = subject.take_many(4).await;
    deliveries.sort_by_key(message::number);
    let ways = [
        NackAction::Retry { after },
        NackAction::Release { after: AT_ONCE },
        NackAction::DeadLetter,
        NackAction::Release { after },
    ];
    let mut batch = nacks(&deliveries, ways[0]);
    for (nack, way) in batch.iter_mut().zip(ways) {
        nack.action = way;
    }
    let outcomes = subject.queue.nack(batch).await;
    assert_eq!(outcomes.expect("the store answers"), [Done; 4]);
    let again = subject.take().await;
    assert_eq!(again.message.id(), ids[1], "only this one is back at once");
    assert_eq!(again.attempt, 1);
    for (index, state, attempt) in [
        (0, State::Scheduled, 1),
        (2, State::Dead, 1),
        (3, State::Scheduled, 0),
    ] {
        let stored = subject.get(ids[index]).await.expect("it is still there");
        assert_eq!((stored.state, stored.attempt), (state, attempt), "{index}");
    }
}

pub(crate) async fn a_receipt_that_stands_twice_in_a_batch_counts_once(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(2)).await;
    let deliveries = subject.take_many(2).await;
    let twice = [deliveries[0].clone(), deliveries[0].clone()];
    let outcomes = subject.queue.ack(&receipts(&twice)).await;
    assert_eq!(outcomes.expect("the store answers"), [Done, LeaseLost]);
    let twice = [deliveries[1].clone(), deliveries[1].clone()];
    let outcomes = subject.queue.nack(nacks(&twice, NackAction::DeadLetter));
    let outcomes = outcomes.await.expect("the store answers");
    assert_eq!(outcomes, [Done, LeaseLost]);
    let stats = subject.stats().await;
    assert_eq!((stats.live(), stats.dead), (0, 1));
}

pub(crate) async fn a_batch_of_the_largest_size_is_taken(case: Case) {
    let count = case.capabilities().limits.batch;
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(count)).await;
    let mut deliveries = subject.take_many(count).await;
    deliveries.sort_by_key(message::number);
    let expected: Vec<usize> = (0..count).collect();
    assert_eq!(message::numbers(&deliveries), expected);
    let receipts = receipts(&deliveries);
    let extended = subject.queue.extend(&receipts).await;
    assert_eq!(extended.expect("the store answers"), vec![Done; count]);
    let acked = subject.queue.ack(&receipts).await;
    assert_eq!(acked.expect("the store answers"), vec![Done; count]);
    assert_eq!(subject.stats().await.live(), 0);
}

pub(crate) async fn an_id_that_stands_twice_in_a_batch_is_refused(case: Case) {
    let subject = case.holding_queue().await;
    let id = message::ids(1)[0];
    let again = || message::numbered(1).with_id(id);
    let refused = subject.publish_outcome(vec![message::numbered(0), again(), again()]);
    assert!(
        matches!(refused.await, Err(Error::Invalid { .. })),
        "an id names one message"
    );
    assert_eq!(subject.stats().await.live(), 0, "nothing of it was taken");
}

pub(crate) async fn an_id_that_the_queue_knows_is_refused(case: Case) {
    let subject = case.holding_queue().await;
    let dead = subject.publish_dead(message::numbered(0), "no").await;
    let leased = subject.publish(message::numbered(1)).await;
    assert_eq!(subject.take().await.message.id(), leased);
    let parked = message::numbered(2).with_delay(case.timing().limit);
    let scheduled = subject.publish(parked).await;
    let ready = subject.publish(message::numbered(3)).await;
    for (what, id) in [
        ("dead", dead),
        ("leased", leased),
        ("scheduled", scheduled),
        ("ready", ready),
    ] {
        let again = message::numbered(4).with_id(id);
        let refused = subject.publish_outcome(vec![message::numbered(5), again]);
        assert!(
            matches!(refused.await, Err(Error::Invalid { .. })),
            "the id of a {what} message was taken a second time"
        );
    }
    let stats = subject.stats().await;
    assert_eq!((stats.live(), stats.dead), (3, 1), "nothing was added");
}

pub(crate) async fn a_receive_gives_no_more_than_was_asked_for(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(10)).await;
    let mut count = 0;
    while count < 10 {
        let deliveries = subject.queue.receive(3, case.timing().limit).await;
        let arrived = deliveries.expect("the session is open").len();
        assert!(
            (1..=3).contains(&arrived),
            "{arrived} came where 3 were asked for"
        );
        count += arrived;
    }
}

pub(crate) async fn a_receive_for_more_than_there_is_does_not_wait_for_more(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish_all(message::many(3)).await;
    let call = subject.receiving(100, case.timing().limit).await;
    let (deliveries, took) = call.timed().await;
    let deliveries = deliveries.expect("the session is open");
    let most = case.timing().tolerance();
    assert!(
        took <= most,
        "what is there comes at once, not after {took:?}"
    );
    assert!(
        (1..=3).contains(&deliveries.len()),
        "there are three, and {} came",
        deliveries.len()
    );
}
