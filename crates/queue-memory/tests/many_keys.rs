//! What many fairness keys cost the whole store: publish, receive and ack of one message after the other, with ten, 1,000 and
//! 100,000 keys that all have messages, in queues of the same length and in one run.
//!
//! `cargo test --release -p forebay-queue-memory --test many_keys -- --nocapture` prints the figures. Without `--release` the
//! limits are a smoke test's: only a cost that grows with the number of keys fails them.

use forebay_queue_conformance::many_keys::{Load, costs};
use forebay_queue_core::Environment;
use forebay_queue_memory::MemoryBackend;

const KEYS: [usize; 3] = [10, 1_000, 100_000];
/// How much dearer than among the fewest.
const MOST: [f64; 3] = [1.0, 1.5, 3.0];
const LOAD: Load = Load {
    messages: 200_000,
    at_once: 1,
    cycles: 5_000,
    rounds: if cfg!(debug_assertions) { 7 } else { 21 },
};
/// Another process may take the machine for a moment.
const TRIES: usize = 3;
const GENEROUS: f64 = if cfg!(debug_assertions) { 2.0 } else { 1.0 };

#[tokio::test]
async fn a_message_among_many_keys_costs_little_more_than_among_ten() {
    let mut tries = Vec::new();
    while tries.len() < TRIES {
        let backend = MemoryBackend::new(Environment::system());
        let costs = costs(&backend, KEYS, LOAD).await;
        let ratios = costs.map(|took| took.as_secs_f64() / costs[0].as_secs_f64());
        println!("{KEYS:?} keys: {costs:?} a message, ratios {ratios:.2?}");
        let mut each = MOST.iter().zip(ratios);
        if each.all(|(most, ratio)| ratio <= most * GENEROUS) {
            return;
        }
        tries.push(ratios);
    }
    panic!("the cost grows with the keys: {tries:?}");
}
