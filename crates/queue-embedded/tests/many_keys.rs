//! What many fairness keys cost the whole store: publish, receive and ack of 50 messages after the others, with ten, 1,000 and
//! 100,000 keys that all have messages, in queues of the same length in one directory and in one run.
//!
//! `cargo test --release -p forebay-queue-embedded --test many_keys -- --nocapture` prints the figures. Without `--release`
//! there are a tenth of the messages and of the most keys.
#![cfg(any(feature = "sqlite", feature = "rocksdb"))]
#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use forebay_queue_conformance::many_keys::{Load, costs};
use forebay_queue_core::{Backend as _, Environment};
use forebay_queue_embedded::{Database, EmbeddedBackend, EmbeddedOptions, Sync};

const IS_SMALL: bool = cfg!(debug_assertions);
const KEYS: [usize; 3] = [10, 1_000, if IS_SMALL { 10_000 } else { 100_000 }];
/// How much dearer than among the fewest.
const MOST: [f64; 3] = [1.0, 1.5, 3.0];
const LOAD: Load = Load {
    messages: if IS_SMALL { 20_000 } else { 200_000 },
    at_once: 50,
    cycles: if IS_SMALL { 20 } else { 100 },
    rounds: if IS_SMALL { 7 } else { 21 },
};
/// Another process may take the machine for a moment.
const TRIES: usize = 3;

async fn ratios(database: Database) -> [f64; 3] {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = EmbeddedOptions::new(database, directory.path().join("queue"));
    // What a sync costs would hide what the keys cost.
    let options = options.with_sync(Sync::Never);
    let backend = EmbeddedBackend::open(options, Environment::system()).await;
    let backend = backend.unwrap();
    let costs = costs(&backend, KEYS, LOAD).await;
    backend.close().await.unwrap();
    let ratios = costs.map(|took| took.as_secs_f64() / costs[0].as_secs_f64());
    let name = database.name();
    println!("{name}: {KEYS:?} keys: {costs:?} a message, ratios {ratios:.2?}");
    ratios
}

#[tokio::test]
async fn a_message_among_many_keys_costs_little_more_than_among_ten() {
    for database in Database::ALL {
        let mut tries = Vec::new();
        let holds = |ratios: [f64; 3]| MOST.iter().zip(ratios).all(|(most, ratio)| ratio <= *most);
        while !tries.last().is_some_and(|ratios| holds(*ratios)) {
            assert!(
                tries.len() < TRIES,
                "the cost grows with the keys: {tries:?}"
            );
            tries.push(ratios(*database).await);
        }
    }
}
