//! A long queue: how fast its directory opens, and that its payloads are not in memory. In a process of its own, so that nothing
//! else is counted. With `--release` it has a million messages, else a tenth of that.
#![cfg(all(target_os = "linux", any(feature = "sqlite", feature = "rocksdb")))]
#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::time::{Duration, Instant};

use forebay_queue_core::{Backend, Environment, Kind, NewMessage, QueueConfig, QueueName};
use forebay_queue_embedded::{Database, EmbeddedBackend, EmbeddedOptions, Sync};

const MESSAGES: usize = if cfg!(debug_assertions) {
    100_000
} else {
    1_000_000
};
/// So that all payloads together are far more than may be in memory.
const PAYLOAD: usize = if cfg!(debug_assertions) { 4_096 } else { 1_024 };
const BATCH: usize = 250;
const MEBIBYTE: usize = 1 << 20;
/// Without optimisation a tenth of the messages takes as long.
const LIMIT: Duration = Duration::from_secs(3);
/// The cache of payloads is 64 MiB; the store's own buffers and caches are about as much.
const MEMORY: usize = 160 * MEBIBYTE + 600 * MESSAGES;

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kibibytes = line.split_whitespace().nth(1).unwrap();
    kibibytes.parse::<usize>().unwrap() * 1_024
}

async fn open(options: &EmbeddedOptions) -> EmbeddedBackend {
    EmbeddedBackend::open(options.clone(), Environment::system())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_million_messages_open_in_three_seconds_and_their_payloads_stay_on_the_disk() {
    let name = QueueName::from_static("jobs");
    let config = QueueConfig {
        capacity: MESSAGES,
        ..QueueConfig::default()
    };
    let before = resident();
    for database in Database::ALL {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = EmbeddedOptions::new(*database, directory.path().join("queue"));
        let options = options.with_sync(Sync::Never);
        let backend = open(&options).await;
        backend.create(&name, &config).await.unwrap();
        let queue = backend.open(&name, None).await.unwrap();
        let start = Instant::now();
        for _ in 0..MESSAGES / BATCH {
            let message = || NewMessage::new(Kind::from_static("job"), vec![7; PAYLOAD]);
            let batch = (0..BATCH).map(|_| message()).collect();
            queue.publish(batch, Duration::ZERO).await.unwrap();
        }
        println!(
            "{}: {MESSAGES} × {PAYLOAD} B published in {:?}",
            database.name(),
            start.elapsed()
        );
        let used = resident().saturating_sub(before);
        println!("{}: {} MiB in memory", database.name(), used / MEBIBYTE);
        assert!(used < MEMORY, "{} MiB in memory", used / MEBIBYTE);
        drop(queue);
        backend.close().await.unwrap();

        let start = Instant::now();
        let backend = open(&options).await;
        let took = start.elapsed();
        println!("{}: opened in {took:?}", database.name());
        assert!(took < LIMIT, "it took {took:?} to open");
        let stats = backend.manage(&name).await.unwrap().stats().await.unwrap();
        assert_eq!(stats.ready, MESSAGES as u64);
        let queue = backend.open(&name, None).await.unwrap();
        let first = queue.receive(1, Duration::ZERO).await.unwrap();
        assert_eq!(first[0].message.payload().len(), PAYLOAD);
        backend.close().await.unwrap();
    }
}
