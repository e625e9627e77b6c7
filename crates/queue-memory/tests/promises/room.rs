//! Everything that makes room lets a waiting publisher go, at that time.

use std::time::Duration;

use crate::house::{Answer, House, MINUTE, SECOND, TICK, config, plain};

async fn full_of(message: forebay_queue_core::NewMessage) -> House {
    let house = House::new(config(1)).await;
    house.publish(message).await;
    house
}

async fn goes_after<T>(waiting: Answer<Vec<T>>, expected: Duration) {
    let (outcomes, waited) = waiting.await.unwrap();
    assert_eq!(outcomes.unwrap().len(), 1);
    assert!((expected..=expected + TICK).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_expires_while_several_wait() {
    let house = House::new(config(2)).await;
    for seconds in [3, 6] {
        let message = plain("short").with_time_to_live(seconds * SECOND);
        house.publish(message).await;
    }
    let first = house.publishing(vec![plain("1")], MINUTE).await;
    let second = house.publishing(vec![plain("2")], MINUTE).await;
    goes_after(first, 3 * SECOND).await;
    goes_after(second, 6 * SECOND).await;
    assert_eq!(house.drain().await.concat(), "12");
}

#[tokio::test(start_paused = true)]
async fn the_one_who_watches_the_expiry_is_dropped() {
    let house = full_of(plain("short").with_time_to_live(5 * SECOND)).await;
    let first = house.publishing(vec![plain("1")], MINUTE).await;
    let second = house.publishing(vec![plain("2")], MINUTE).await;
    first.abort();
    goes_after(second, 5 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_message_whose_lease_runs_out() {
    let house = full_of(plain("short").with_time_to_live(SECOND)).await;
    house.take().await;
    let waiting = house.publishing(vec![plain("x")], MINUTE).await;
    goes_after(waiting, 30 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_message_that_is_given_back() {
    let house = full_of(plain("short").with_time_to_live(10 * SECOND)).await;
    let held = house.take().await;
    let waiting = house.publishing(vec![plain("x")], MINUTE).await;
    held.retry(&*house.queue, SECOND, "no").await.unwrap();
    goes_after(waiting, 10 * SECOND).await;
}
