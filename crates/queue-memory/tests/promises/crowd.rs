use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::SettleOutcome;

use crate::house::{House, MINUTE, config, plain};

const PRODUCERS: usize = 4;
const CONSUMERS: usize = 4;
const MESSAGES: usize = 100_000;
const BATCH: usize = 20;

async fn produce(house: House, producer: usize) {
    let share = MESSAGES / PRODUCERS;
    for start in (0..share).step_by(BATCH) {
        let number = |n: usize| plain(&format!("{producer} {}", start + n));
        let batch = (0..BATCH).map(number).collect();
        house.queue.publish(batch, MINUTE).await.unwrap();
    }
}

/// What this consumer saw: number of producer and message.
async fn consume(house: House, count: Arc<AtomicUsize>) -> Vec<(usize, usize)> {
    let mut seen = Vec::new();
    while count.load(Ordering::Relaxed) < MESSAGES {
        let wait = Duration::from_millis(100);
        let deliveries = house.queue.receive(16, wait).await.unwrap();
        let receipts: Vec<_> = deliveries.iter().map(|d| d.receipt.clone()).collect();
        for delivery in &deliveries {
            assert_eq!(delivery.attempt, 1);
            let text = std::str::from_utf8(delivery.message.payload()).unwrap();
            let (producer, number) = text.split_once(' ').unwrap();
            seen.push((producer.parse().unwrap(), number.parse().unwrap()));
        }
        let outcomes = house.queue.ack(&receipts).await.unwrap();
        assert!(outcomes.iter().all(|o| *o == SettleOutcome::Done));
        count.fetch_add(deliveries.len(), Ordering::Relaxed);
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_producers_and_consumers_see_each_message_exactly_once() {
    // Far less room than messages, so that producers wait in line too.
    let house = House::new(config(500)).await;
    let count = Arc::new(AtomicUsize::new(0));
    let consumers: Vec<_> = (0..CONSUMERS)
        .map(|_| tokio::spawn(consume(house.clone(), Arc::clone(&count))))
        .collect();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| tokio::spawn(produce(house.clone(), producer)))
        .collect();
    for producer in producers {
        producer.await.unwrap();
    }
    let mut times: HashMap<(usize, usize), usize> = HashMap::new();
    for consumer in consumers {
        let seen = consumer.await.unwrap();
        // One consumer sees the messages of one producer in the order in which they were published.
        for producer in 0..PRODUCERS {
            let of_one = seen.iter().filter(|(p, _)| *p == producer);
            assert!(of_one.map(|(_, number)| number).is_sorted());
        }
        for message in seen {
            *times.entry(message).or_default() += 1;
        }
    }
    assert_eq!(times.len(), MESSAGES);
    assert!(times.values().all(|times| *times == 1));
    assert_eq!(house.desk.stats().await.unwrap().live(), 0);
}
