use std::sync::Arc;

use forebay_queue_core::{Error, Nack, NackAction, SettleOutcome};

use crate::house::{AT_ONCE, House, MINUTE, NAME, config, plain, settle};

fn is_closed<T>(answer: Result<T, Error>) -> bool {
    matches!(answer, Err(error) if error.is_closed())
}

async fn every_verb_is_closed(house: &House) {
    let queue = &house.queue;
    assert!(is_closed(queue.publish(vec![plain("x")], MINUTE).await));
    assert!(is_closed(queue.receive(1, MINUTE).await));
    assert!(is_closed(queue.ack(&[]).await));
    assert!(is_closed(queue.nack(vec![]).await));
    assert!(is_closed(queue.extend(&[]).await));
    queue.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_close_every_verb_answers_closed_and_closing_twice_is_fine() {
    let house = House::new(config(10)).await;
    house.queue.close().await.unwrap();
    every_verb_is_closed(&house).await;
}

#[tokio::test(start_paused = true)]
async fn close_wakes_the_waiting_ones_of_its_session_at_once() {
    let house = House::new(config(1)).await;
    house.publish(plain("a")).await;
    house.take().await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(house.receiving(1, MINUTE).await);
    }
    let first = house.publishing(vec![plain("x")], MINUTE).await;
    let second = house.publishing(vec![plain("y")], MINUTE).await;
    house.queue.close().await.unwrap();
    for task in waiting {
        let (answer, waited) = task.await.unwrap();
        assert!(is_closed(answer));
        assert_eq!(waited, AT_ONCE);
    }
    for task in [first, second] {
        let (answer, waited) = task.await.unwrap();
        assert!(is_closed(answer));
        assert_eq!(waited, AT_ONCE);
    }
}

#[tokio::test(start_paused = true)]
async fn close_leaves_other_sessions_alone() {
    let house = House::new(config(10)).await;
    let mut other = house.clone();
    other.queue = house.backend.open(&NAME, None).await.unwrap();
    let waiting = other.receiving(1, MINUTE).await;
    house.queue.close().await.unwrap();
    settle().await;
    assert!(!waiting.is_finished());
    other.publish(plain("a")).await;
    assert_eq!(waiting.await.unwrap().0.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_out_comes_back_after_close_by_its_lease() {
    let house = House::new(config(10)).await;
    house.publish(plain("a")).await;
    house.take().await;
    house.queue.close().await.unwrap();
    drop(house.queue);
    let queue = house.backend.open(&NAME, None).await.unwrap();
    assert!(queue.receive(1, AT_ONCE).await.unwrap().is_empty());
    let again = queue.receive(1, MINUTE).await.unwrap();
    assert_eq!(again[0].attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn deleting_the_queue_wakes_everyone_with_closed() {
    let house = House::new(config(1)).await;
    house.publish(plain("a")).await;
    house.take().await;
    let receiving = house.receiving(1, MINUTE).await;
    let first = house.publishing(vec![plain("x")], MINUTE).await;
    let second = house.publishing(vec![plain("y")], MINUTE).await;
    house.backend.delete(&NAME).await.unwrap();
    assert!(is_closed(receiving.await.unwrap().0));
    assert!(is_closed(first.await.unwrap().0));
    let (answer, waited) = second.await.unwrap();
    assert!(is_closed(answer));
    assert_eq!(waited, AT_ONCE);
    every_verb_is_closed(&house).await;
}

#[tokio::test(start_paused = true)]
async fn closing_the_backend_ends_all_sessions() {
    let house = House::new(config(10)).await;
    let receiving = house.receiving(1, MINUTE).await;
    house.backend.close().await.unwrap();
    house.backend.close().await.unwrap();
    assert!(is_closed(receiving.await.unwrap().0));
    every_verb_is_closed(&house).await;
}

#[tokio::test(start_paused = true)]
async fn two_sessions_share_one_queue_and_settle_for_each_other() {
    let house = House::new(config(10)).await;
    let other = house.backend.open(&NAME, None).await.unwrap();
    house.publish(plain("a")).await;
    let delivery = other.receive(1, AT_ONCE).await.unwrap().remove(0);
    house.assert_nothing_to_receive().await;
    let outcome = delivery.ack(&*house.queue).await.unwrap();
    assert_eq!(outcome, SettleOutcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_another_queue_settles_nothing() {
    let house = House::new(config(10)).await;
    let name = forebay_queue_core::QueueName::from_static("other");
    house.backend.create(&name, &config(10)).await.unwrap();
    let other = house.backend.open(&name, None).await.unwrap();
    house.publish(plain("a")).await;
    other.publish(vec![plain("b")], AT_ONCE).await.unwrap();
    let mine = house.take().await;
    let foreign = other.receive(1, AT_ONCE).await.unwrap().remove(0);
    let receipts = std::slice::from_ref(&foreign.receipt);
    let lost = [SettleOutcome::LeaseLost];
    assert_eq!(house.queue.ack(receipts).await.unwrap(), lost);
    assert_eq!(house.queue.extend(receipts).await.unwrap(), lost);
    let nack = Nack {
        receipt: foreign.receipt,
        action: NackAction::DeadLetter,
        cause: None,
    };
    assert_eq!(house.queue.nack(vec![nack]).await.unwrap(), lost);
    let done = mine.ack(&*house.queue).await.unwrap();
    assert_eq!(done, SettleOutcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_an_earlier_queue_of_the_same_name_settles_nothing() {
    let house = House::new(config(10)).await;
    house.publish(plain("a")).await;
    let old = house.take().await;
    house.backend.delete(&NAME).await.unwrap();
    let backend = Arc::clone(&house.backend);
    let house = House::around(backend, config(10)).await;
    house.publish(plain("b")).await;
    house.take().await;
    let outcome = old.ack(&*house.queue).await.unwrap();
    assert_eq!(outcome, SettleOutcome::LeaseLost);
}
