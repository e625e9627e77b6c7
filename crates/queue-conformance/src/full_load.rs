//! Leases that run out while both cores publish, receive and ack as fast as they can.
#![expect(clippy::unwrap_used, reason = "what does not hold, panics")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_queue_core::{
    Backend, Delivery, Environment, FairnessKey, Kind, MessageId, NewMessage, Queue, QueueConfig,
    QueueName, Timestamp,
};

const LEASE: Duration = Duration::from_millis(300);
/// How long a receive waits.
const WAIT: Duration = Duration::from_millis(50);
const CALLERS: usize = 2;
const BATCH: usize = 16;
const PATIENCE: Duration = Duration::from_mins(1);

/// Holds so many leases until they end, with as much load as two cores make; answers how late the last of their messages came
/// back. They share the hand-outs with the load: so few that those make no difference show the lateness of the queue itself.
/// `environment` is the one that the backend was made with.
///
/// # Panics
/// When the backend fails, or a message comes back twice or not at all.
pub async fn latest(backend: &dyn Backend, environment: &Environment, held: usize) -> Duration {
    let name = QueueName::from_static("full-load");
    let config = QueueConfig {
        lease: LEASE,
        ..QueueConfig::default()
    };
    backend.create(&name, &config).await.unwrap();
    let queue = backend.open(&name, None).await.unwrap();
    queue
        .publish(messages("held", held), PATIENCE)
        .await
        .unwrap();
    let deliveries = queue.receive(held, Duration::ZERO).await.unwrap();
    assert_eq!(deliveries.len(), held);
    let end = |d: &Delivery| (d.message.id(), d.delivered_at.after(d.lease));
    let ends: HashMap<MessageId, Timestamp> = deliveries.iter().map(end).collect();

    let is_over = Arc::new(AtomicBool::new(false));
    let (mut publishers, mut workers) = (Vec::new(), Vec::new());
    for _ in 0..CALLERS {
        publishers.push(tokio::spawn(load(Arc::clone(&queue), Arc::clone(&is_over))));
        let worker = work(
            Arc::clone(&queue),
            environment.clone(),
            Arc::clone(&is_over),
        );
        workers.push(tokio::spawn(worker));
    }
    // tidy: sleep — the leases run out on the real clock, and some time is for those that are late
    tokio::time::sleep(LEASE * 3).await;
    is_over.store(true, Ordering::Relaxed);
    let mut again = Vec::new();
    for worker in workers {
        again.extend(worker.await.unwrap());
    }
    for publisher in publishers {
        publisher.abort();
    }
    assert_eq!(again.len(), held, "each came back once");
    let late = |(d, now): &(Delivery, Timestamp)| now.since(ends[&d.message.id()]);
    again.iter().map(late).max().unwrap()
}

fn messages(key: &'static str, count: usize) -> Vec<NewMessage> {
    let key = FairnessKey::new(key).unwrap();
    let message = NewMessage::new(Kind::from_static("job"), vec![7; 256]).with_fairness_key(key);
    vec![message; count]
}

async fn load(queue: Arc<dyn Queue>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let batch = messages("load", BATCH);
        queue.publish(batch, PATIENCE).await.unwrap();
    }
}

/// Acks whatever comes; answers the second deliveries and when they came.
async fn work(
    queue: Arc<dyn Queue>,
    environment: Environment,
    is_over: Arc<AtomicBool>,
) -> Vec<(Delivery, Timestamp)> {
    let mut again = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let deliveries = queue.receive(BATCH, WAIT).await.unwrap();
        let now = environment.now();
        let receipts: Vec<_> = deliveries.iter().map(|d| d.receipt.clone()).collect();
        queue.ack(&receipts).await.unwrap();
        let second = deliveries.into_iter().filter(|d| d.attempt == 2);
        again.extend(second.map(|d| (d, now)));
    }
    again
}
