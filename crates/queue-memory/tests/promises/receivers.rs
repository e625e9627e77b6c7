use std::sync::atomic::Ordering;

use forebay_queue_core::CancelTarget;
use tokio::time::advance;

use crate::house::{
    AT_ONCE, House, MINUTE, SECOND, TICK, config, counting, payloads, plain, settle,
};

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_is_woken_at_once() {
    let house = House::new(config(10)).await;
    let waiting = house.receiving(10, MINUTE).await;
    house.publish(plain("a")).await;
    let (deliveries, waited) = waiting.await.unwrap();
    assert_eq!(payloads(&deliveries.unwrap()), ["a"]);
    assert_eq!(waited, AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_received_at_once() {
    let house = House::new(config(10)).await;
    house.publish(plain("a")).await;
    house.publish(plain("b")).await;
    let (deliveries, waited) = house.receiving(10, MINUTE).await.await.unwrap();
    assert_eq!(payloads(&deliveries.unwrap()), ["a", "b"]);
    assert_eq!(waited, AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_after_exactly_the_wait() {
    let house = House::new(config(10)).await;
    let (deliveries, waited) = house.receiving(10, 5 * SECOND).await.await.unwrap();
    assert!(deliveries.unwrap().is_empty());
    assert!(
        (5 * SECOND..=5 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
    let (deliveries, waited) = house.receiving(10, AT_ONCE).await.await.unwrap();
    assert!(deliveries.unwrap().is_empty());
    assert_eq!(waited, AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_waits_for_a_cancelled_message_waits_for_the_next() {
    let house = House::new(config(10)).await;
    let soon = house.publish(plain("soon").with_delay(SECOND)).await;
    house.publish(plain("late").with_delay(5 * SECOND)).await;
    let waiting = house.receiving(1, MINUTE).await;
    house.desk.cancel(CancelTarget::Id(soon)).await.unwrap();
    let (deliveries, waited) = waiting.await.unwrap();
    assert_eq!(payloads(&deliveries.unwrap()), ["late"]);
    assert!(
        (5 * SECOND..=5 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_costs_no_looks() {
    let (house, looks) = counting(config(10)).await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(house.receiving(1, 60 * MINUTE).await);
    }
    house.publish(plain("a").with_delay(30 * MINUTE)).await;
    settle().await;
    let before = looks.load(Ordering::Relaxed);
    advance(29 * MINUTE).await;
    settle().await;
    assert_eq!(looks.load(Ordering::Relaxed), before);
    for task in waiting {
        task.await.unwrap().0.unwrap();
    }
    let after = looks.load(Ordering::Relaxed) - before;
    assert!(after < 200, "{after} looks for one message");
}

#[tokio::test(start_paused = true)]
async fn a_receive_of_none_does_not_look_without_end() {
    let (house, looks) = counting(config(10)).await;
    house.publish(plain("a")).await;
    let (deliveries, _) = house.receiving(0, MINUTE).await.await.unwrap();
    assert!(deliveries.unwrap().is_empty());
    assert!(looks.load(Ordering::Relaxed) < 100);
}

#[tokio::test(start_paused = true)]
async fn a_wait_and_a_delay_without_end_are_times_like_others() {
    let house = House::new(config(10)).await;
    let never = std::time::Duration::MAX;
    house.publish(plain("never").with_delay(never)).await;
    let waiting = house.receiving(1, never).await;
    house.publish(plain("soon").with_delay(SECOND)).await;
    let (deliveries, waited) = waiting.await.unwrap();
    assert_eq!(payloads(&deliveries.unwrap()), ["soon"]);
    assert!((SECOND..=SECOND + TICK).contains(&waited), "{waited:?}");
}
