//! Dropping any future loses no message.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Delivery, Random, SeededRandom, SettleOutcome};
use tokio::time::timeout;

use crate::house::{AT_ONCE, House, MINUTE, SECOND, config, plain};

fn below(random: &SeededRandom, bound: u64) -> u64 {
    random.next_u64() % bound
}

/// Receives what there is and acks it, until nothing is left; answers the payloads.
async fn drain_all(house: &House) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let deliveries = house.queue.receive(100, AT_ONCE).await.unwrap();
        if deliveries.is_empty() {
            return seen;
        }
        for delivery in deliveries {
            seen.push(number(&delivery));
            ack(house, delivery).await;
        }
    }
}

fn number(delivery: &Delivery) -> u64 {
    let text = std::str::from_utf8(delivery.message.payload()).unwrap();
    text.parse().unwrap()
}

async fn ack(house: &House, delivery: Delivery) {
    let outcome = delivery.ack(&*house.queue).await.unwrap();
    assert_eq!(outcome, SettleOutcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_dropped_receives_lose_nothing() {
    let house = House::new(config(10_000)).await;
    let random = SeededRandom::new(11);
    let mut seen = Vec::new();
    for n in 0..1_000_u64 {
        let delay = Duration::from_millis(below(&random, 20));
        house.publish(plain(&n.to_string()).with_delay(delay)).await;
        let patience = Duration::from_millis(below(&random, 10));
        let max = 1 + usize::try_from(below(&random, 3)).unwrap();
        let receive = house.queue.receive(max, MINUTE);
        // What the dropped future had leased would stay away until its lease ends.
        if let Ok(deliveries) = timeout(patience, receive).await {
            for delivery in deliveries.unwrap() {
                assert_eq!(delivery.attempt, 1);
                seen.push(number(&delivery));
                ack(&house, delivery).await;
            }
        }
    }
    tokio::time::advance(SECOND).await;
    seen.extend(drain_all(&house).await);
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..1_000), "{} of 1000", seen.len());
    assert_eq!(house.desk.stats().await.unwrap().live(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_dropped_receives_lose_nothing_on_many_threads() {
    let house = House::new(config(10_000)).await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let (house, sender) = (house.clone(), sender.clone());
        waiting.push(tokio::spawn(async move {
            while let Ok(deliveries) = house.queue.receive(2, MINUTE).await {
                for delivery in deliveries {
                    sender.send(number(&delivery)).unwrap();
                    ack(&house, delivery).await;
                }
            }
        }));
    }
    let random = Arc::new(SeededRandom::new(12));
    for n in 0..1_000_u64 {
        let queue = Arc::clone(&house.queue);
        let task = tokio::spawn(async move { queue.receive(1, MINUTE).await });
        if below(&random, 2) == 0 {
            tokio::task::yield_now().await;
        }
        house.publish(plain(&n.to_string())).await;
        task.abort();
        // Aborted too late, it has received: then it is its own message to ack.
        if let Ok(Ok(deliveries)) = task.await {
            for delivery in deliveries {
                sender.send(number(&delivery)).unwrap();
                ack(&house, delivery).await;
            }
        }
    }
    let mut seen = Vec::new();
    while seen.len() < 1_000 {
        let next = timeout(Duration::from_secs(20), receiver.recv()).await;
        seen.push(next.expect("a message was lost").unwrap());
    }
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..1_000));
    house.queue.close().await.unwrap();
    for task in waiting {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_publish_has_published_the_whole_batch_or_nothing() {
    let house = House::new(config(4)).await;
    let random = SeededRandom::new(13);
    for round in 0..500_u64 {
        for _ in 0..3 {
            house.publish(plain("0")).await;
        }
        let batch = vec![plain("1"), plain("1"), plain("1")];
        let publish = house.queue.publish(batch, MINUTE);
        let patience = Duration::from_millis(below(&random, 6));
        let drain = async {
            // tidy: sleep — a moment at random is the point: every order of the two has to hold
            tokio::time::sleep(Duration::from_millis(3)).await;
            drain_all(&house).await.len()
        };
        let (published, drained) = tokio::join!(timeout(patience, publish), drain);
        let rest = drained - 3 + drain_all(&house).await.len();
        match published {
            Ok(outcomes) => assert_eq!((outcomes.unwrap().len(), rest), (3, 3)),
            Err(_) => assert_eq!(rest, 0, "round {round}"),
        }
    }
}
