//! What a million queued messages cost in memory. In a process of its own, so that nothing else is counted.
#![cfg(target_os = "linux")]

use std::time::Duration;

use forebay_queue_core::{
    Backend, Environment, Kind, NewMessage, Queue, QueueConfig, QueueName, SettleOutcome,
};
use forebay_queue_memory::MemoryBackend;

const MESSAGES: usize = 1_000_000;
const PAYLOAD: usize = 256;
const BATCH: usize = 1_000;
const MEBIBYTE: usize = 1024 * 1024;

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes
        .expect("VmRSS in kB")
        .parse::<usize>()
        .expect("a number")
        * 1024
}

async fn fill(queue: &dyn Queue) {
    for _ in 0..MESSAGES / BATCH {
        let message = || NewMessage::new(Kind::from_static("job"), vec![7; PAYLOAD]);
        let batch = (0..BATCH).map(|_| message()).collect();
        let outcomes = queue.publish(batch, Duration::ZERO).await;
        let outcomes = outcomes.expect("there is room");
        assert_eq!(outcomes.len(), BATCH);
    }
}

async fn drain(queue: &dyn Queue) {
    let mut count = 0;
    while count < MESSAGES {
        let deliveries = queue.receive(BATCH, Duration::ZERO).await;
        let deliveries = deliveries.expect("it is open");
        let receipts: Vec<_> = deliveries.iter().map(|d| d.receipt.clone()).collect();
        let outcomes = queue.ack(&receipts).await.expect("it is open");
        assert!(outcomes.iter().all(|o| *o == SettleOutcome::Done));
        count += deliveries.len();
    }
}

#[tokio::test]
async fn a_million_messages_take_less_than_600_mb_and_the_memory_is_used_again() {
    let backend = MemoryBackend::new(Environment::system());
    let name = QueueName::from_static("jobs");
    let config = QueueConfig {
        capacity: MESSAGES,
        lease: Duration::from_hours(1),
        ..QueueConfig::default()
    };
    backend.create(&name, &config).await.unwrap();
    let queue = backend.open(&name, None).await.unwrap();
    let before = resident();
    fill(&*queue).await;
    let first = resident();
    let used = (first - before) / MEBIBYTE;
    println!("{used} MiB for a million messages of {PAYLOAD} bytes");
    assert!(used < 600, "{used} MiB");
    drain(&*queue).await;
    println!("{} MiB resident after draining", resident() / MEBIBYTE);
    fill(&*queue).await;
    let again = resident();
    println!("{} MiB after filling again", (again - before) / MEBIBYTE);
    assert!(again <= first + first / 10, "{again} after {first}");
}
