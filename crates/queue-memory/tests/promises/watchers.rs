//! Of several waiting receivers one watches the time. Whatever becomes of it, another takes over.

use forebay_queue_core::Error;
use tokio::time::advance;

use crate::house::{AT_ONCE, House, MINUTE, SECOND, TICK, config, payloads, plain};

/// Two waiting receivers, then a delayed message of which only the first knows when it is due.
#[tokio::test(start_paused = true)]
async fn the_one_that_watches_is_dropped() {
    let house = House::new(config(10)).await;
    let first = house.receiving(1, MINUTE).await;
    let second = house.receiving(1, MINUTE).await;
    house.publish(plain("a").with_delay(5 * SECOND)).await;
    crate::house::settle().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let (deliveries, waited) = second.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    assert!(
        (5 * SECOND..=5 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn all_but_the_last_are_dropped_one_by_one() {
    let house = House::new(config(10)).await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(house.receiving(1, MINUTE).await);
    }
    house.publish(plain("a").with_delay(20 * SECOND)).await;
    let last = waiting.pop().unwrap();
    for task in waiting {
        advance(SECOND).await;
        task.abort();
    }
    let (deliveries, waited) = last.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    assert!(
        (20 * SECOND..=20 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_one_that_watches_gets_another_message() {
    let house = House::new(config(10)).await;
    let first = house.receiving(1, MINUTE).await;
    let second = house.receiving(1, MINUTE).await;
    house.publish(plain("later").with_delay(5 * SECOND)).await;
    crate::house::settle().await;
    house.publish(plain("now")).await;
    let one = [first.await.unwrap(), second.await.unwrap()];
    let mut received = Vec::new();
    for (deliveries, waited) in one {
        let text = payloads(&deliveries.unwrap());
        let expected = if text == ["now"] { AT_ONCE } else { 5 * SECOND };
        assert!((expected..=expected + TICK).contains(&waited), "{waited:?}");
        received.extend(text);
    }
    received.sort();
    assert_eq!(received, ["later", "now"]);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_watches_runs_out_of_patience() {
    let house = House::new(config(10)).await;
    let first = house.receiving(1, 2 * SECOND).await;
    let second = house.receiving(1, MINUTE).await;
    house.publish(plain("a").with_delay(5 * SECOND)).await;
    let (deliveries, _) = first.await.unwrap();
    assert!(deliveries.unwrap().is_empty());
    let (deliveries, waited) = second.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    assert!(
        (5 * SECOND..=5 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_session_of_the_one_that_watches_is_closed() {
    let house = House::new(config(10)).await;
    let mut other = house.clone();
    other.queue = house.backend.open(&crate::house::NAME, None).await.unwrap();
    let first = house.receiving(1, MINUTE).await;
    let second = other.receiving(1, MINUTE).await;
    other.publish(plain("a").with_delay(5 * SECOND)).await;
    house.queue.close().await.unwrap();
    let (answer, _) = first.await.unwrap();
    assert!(matches!(answer, Err(Error::Closed { .. })));
    let (deliveries, waited) = second.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    assert!(
        (5 * SECOND..=5 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_was_woken_and_dropped_passes_the_message_on() {
    let house = House::new(config(10)).await;
    let first = house.receiving(1, MINUTE).await;
    let second = house.receiving(1, MINUTE).await;
    // No task runs between the two: the first has been woken, but has not looked.
    house.publish(plain("a")).await;
    first.abort();
    let (deliveries, waited) = second.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    assert_eq!(waited, AT_ONCE);
}
