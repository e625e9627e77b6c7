use std::sync::atomic::Ordering;

use forebay_queue_core::{CancelTarget, SettleOutcome};
use tokio::time::{Instant, advance};

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
async fn each_of_several_waiting_receivers_gets_one_of_a_batch() {
    let house = House::new(config(10)).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(house.receiving(1, MINUTE).await);
    }
    let batch = (0..5).map(|n| plain(&n.to_string())).collect();
    house.queue.publish(batch, AT_ONCE).await.unwrap();
    let mut received = Vec::new();
    for task in waiting {
        let (deliveries, waited) = task.await.unwrap();
        received.extend(payloads(&deliveries.unwrap()));
        assert_eq!(waited, AT_ONCE);
    }
    received.sort();
    assert_eq!(received.concat(), "01234");
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_reaches_a_waiting_receiver_at_its_time_and_not_before() {
    let house = House::new(config(10)).await;
    let waiting = house.receiving(1, MINUTE).await;
    advance(SECOND).await;
    house.publish(plain("a").with_delay(5 * SECOND)).await;
    let published = Instant::now();
    let (deliveries, _) = waiting.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    let late = published.elapsed();
    assert!((5 * SECOND..=5 * SECOND + TICK).contains(&late), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn an_earlier_delayed_message_re_arms_a_waiting_receiver() {
    let house = House::new(config(10)).await;
    house.publish(plain("late").with_delay(30 * SECOND)).await;
    let waiting = house.receiving(1, MINUTE).await;
    house.publish(plain("soon").with_delay(3 * SECOND)).await;
    let (deliveries, waited) = waiting.await.unwrap();
    assert_eq!(payloads(&deliveries.unwrap()), ["soon"]);
    assert!(
        (3 * SECOND..=3 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
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
async fn a_lease_that_runs_out_wakes_a_waiting_receiver() {
    let house = House::new(config(10)).await;
    house.publish(plain("a")).await;
    let first = house.take().await;
    let (deliveries, waited) = house.receiving(1, MINUTE).await.await.unwrap();
    let again = deliveries.unwrap().remove(0);
    assert_eq!(again.attempt, 2);
    assert!(
        (30 * SECOND..=30 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
    let late = first.ack(&*house.queue).await.unwrap();
    assert_eq!(late, SettleOutcome::LeaseLost);
}

#[tokio::test(start_paused = true)]
async fn a_lease_given_while_others_wait_is_watched() {
    let house = House::new(config(10)).await;
    let one = house.receiving(1, MINUTE).await;
    let two = house.receiving(1, MINUTE).await;
    house.publish(plain("a")).await;
    let (deliveries, _) = one.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    let (deliveries, waited) = two.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    assert!(
        (30 * SECOND..=30 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_extended_lease_keeps_a_waiting_receiver_waiting() {
    let house = House::new(config(10)).await;
    house.publish(plain("a")).await;
    let held = house.take().await;
    let waiting = house.receiving(1, 2 * MINUTE).await;
    advance(20 * SECOND).await;
    held.extend(&*house.queue).await.unwrap();
    let (deliveries, waited) = waiting.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    assert!(
        (50 * SECOND..=50 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_release_a_retry_and_a_redrive_wake_a_waiting_receiver() {
    let house = House::new(config(10)).await;
    house.publish(plain("a")).await;
    let first = house.take().await;
    let waiting = house.receiving(1, MINUTE).await;
    first.release(&*house.queue, AT_ONCE).await.unwrap();
    let (deliveries, waited) = waiting.await.unwrap();
    let second = deliveries.unwrap().remove(0);
    assert_eq!((second.attempt, waited), (1, AT_ONCE));
    let waiting = house.receiving(1, MINUTE).await;
    second.retry(&*house.queue, 2 * SECOND, "no").await.unwrap();
    let (deliveries, waited) = waiting.await.unwrap();
    let third = deliveries.unwrap().remove(0);
    assert_eq!(third.attempt, 2);
    assert!(
        (2 * SECOND..=2 * SECOND + TICK).contains(&waited),
        "{waited:?}"
    );
    third.dead_letter(&*house.queue, "no").await.unwrap();
    let waiting = house.receiving(1, MINUTE).await;
    let all = forebay_queue_core::DeadLetterFilter::all();
    house.desk.redrive(&all, 1).await.unwrap();
    let (deliveries, waited) = waiting.await.unwrap();
    assert_eq!(deliveries.unwrap().len(), 1);
    assert_eq!(waited, AT_ONCE);
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
