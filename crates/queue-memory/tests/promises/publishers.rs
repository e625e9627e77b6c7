use std::sync::atomic::Ordering;

use forebay_queue_core::{Delivery, Error, QueueConfig};

use crate::house::{
    AT_ONCE, Answer, House, MINUTE, SECOND, TICK, config, counting, keyed, plain, settle,
};

/// A full queue whose messages are all leased.
async fn full(capacity: usize) -> (House, Vec<Delivery>) {
    let house = House::new(config(capacity)).await;
    for _ in 0..capacity {
        house.publish(plain("first")).await;
    }
    let held = house.queue.receive(capacity, AT_ONCE).await.unwrap();
    (house, held)
}

async fn ack(house: &House, delivery: &Delivery) {
    delivery.clone().ack(&*house.queue).await.unwrap();
    settle().await;
}

fn waits<T>(task: &Answer<T>) -> bool {
    !task.is_finished()
}

#[tokio::test(start_paused = true)]
async fn one_that_was_woken_and_dropped_passes_its_turn_on() {
    let (house, held) = full(1).await;
    let first = house.publishing(vec![plain("1")], MINUTE).await;
    let second = house.publishing(vec![plain("2")], MINUTE).await;
    // No task runs between the two: the first has been woken, but has not looked.
    held[0].clone().ack(&*house.queue).await.unwrap();
    first.abort();
    let (outcomes, waited) = second.await.unwrap();
    outcomes.unwrap();
    assert_eq!(waited, AT_ONCE);
    assert_eq!(house.drain().await, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_bigger_batch_at_the_front_is_not_overtaken() {
    let (house, held) = full(3).await;
    let big = vec![plain("a"), plain("b")];
    let front = house.publishing(big, MINUTE).await;
    let small = house.publishing(vec![plain("c")], MINUTE).await;
    ack(&house, &held[0]).await;
    assert!(waits(&front) && waits(&small));
    let without_patience = house.queue.publish(vec![plain("d")], AT_ONCE).await;
    assert!(without_patience.unwrap_err().is_full());
    ack(&house, &held[1]).await;
    assert!(!waits(&front) && waits(&small));
    ack(&house, &held[2]).await;
    small.await.unwrap().0.unwrap();
    assert_eq!(house.drain().await.concat(), "abc");
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_answered_at_once_while_the_queue_is_full_and_others_wait() {
    let house = House::new(config(2)).await;
    let first = house.publish(keyed("k")).await;
    house.publish(plain("x")).await;
    let answer = house.queue.publish(vec![keyed("k")], AT_ONCE).await;
    assert_eq!(answer.unwrap()[0].id(), first);
    let waiting = house.publishing(vec![plain("y")], MINUTE).await;
    let duplicate = house.publishing(vec![keyed("k"), keyed("k")], MINUTE).await;
    let (outcomes, waited) = duplicate.await.unwrap();
    assert!(outcomes.unwrap().iter().all(|o| o.id() == first));
    assert_eq!(waited, AT_ONCE);
    let mixed = house.publishing(vec![keyed("k"), plain("z")], SECOND).await;
    assert!(mixed.await.unwrap().0.unwrap_err().is_full());
    assert!(waits(&waiting));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_never_fits_is_refused_at_once_even_while_others_wait() {
    let (house, _held) = full(2).await;
    let batch = vec![plain("a"), plain("b"), plain("c")];
    for _ in 0..2 {
        let refused = house.publishing(batch.clone(), MINUTE).await;
        let (answer, waited) = refused.await.unwrap();
        let error = answer.unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooLarge {
                    size: 3,
                    limit: 2,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(waited, AT_ONCE);
        let _waiting = house.publishing(vec![plain("x")], MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_in_use_is_refused_at_once_even_while_the_queue_is_full() {
    let (house, held) = full(1).await;
    let again = plain("again").with_id(held[0].message.id());
    for _ in 0..2 {
        let refused = house.publishing(vec![again.clone()], MINUTE).await;
        let (answer, waited) = refused.await.unwrap();
        assert!(matches!(answer, Err(Error::Invalid { .. })));
        assert_eq!(waited, AT_ONCE);
        let _waiting = house.publishing(vec![plain("x")], MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_more_room_than_there_is_does_not_look_without_end() {
    let (house, looks) = counting(config(3)).await;
    house.publish(plain("first")).await;
    house.publish(plain("first")).await;
    let before = looks.load(Ordering::Relaxed);
    let waiting = house.publishing(vec![plain("a"), plain("b")], MINUTE).await;
    assert!(waiting.await.unwrap().0.unwrap_err().is_full());
    let used = looks.load(Ordering::Relaxed) - before;
    assert!(used < 20, "{used} looks in one wait");
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_room_among_the_keys_gets_it_when_a_window_ends() {
    let (house, looks) = counting(QueueConfig {
        idempotency_window: 5 * SECOND,
        idempotency_limit: 1,
        ..config(10)
    })
    .await;
    house.publish(keyed("a")).await;
    let before = looks.load(Ordering::Relaxed);
    let waiting = house.publishing(vec![keyed("b")], MINUTE).await;
    let (outcomes, waited) = waiting.await.unwrap();
    assert_eq!(outcomes.unwrap().len(), 1);
    assert!(
        (5 * SECOND..=5 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
    let used = looks.load(Ordering::Relaxed) - before;
    assert!(used < 20, "{used} looks in one wait");
}
