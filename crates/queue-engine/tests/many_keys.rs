//! What turns cost: a delivery among 100,000 fairness keys that all have messages, beside one among ten, in queues of the same
//! length and in one run.
//!
//! `cargo test --release -p forebay-queue-engine --test many_keys -- --nocapture` prints the figures. Without `--release` the
//! limit is a smoke test's: only a cost that grows with the number of keys fails it.
#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::time::{Duration, Instant};

use forebay_queue_core::{FairnessKey, Kind, MessageId, NewMessage, QueueConfig, Timestamp};
use forebay_queue_engine::Engine;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// In each queue, at any time.
const MESSAGES: usize = 200_000;
const FEW: usize = 10;
const MANY: usize = 100_000;
/// Without a factor in common with the numbers of keys.
const STEPS: [usize; 2] = [61_803, 27_183];
/// Timed at a stretch; then it is another queue's turn.
const DELIVERIES: usize = 5_000;
const ROUNDS: usize = if cfg!(debug_assertions) { 7 } else { 21 };
/// Another process may take the machine for a moment.
const TRIES: usize = 3;
const MOST: f64 = if cfg!(debug_assertions) { 4.0 } else { 2.0 };

/// A queue whose keys always have as many messages as they had at first.
struct Crowd {
    engine: Engine,
    ids: u128,
    /// For each delivery, in each round.
    took: Vec<Duration>,
}

impl Crowd {
    fn new(keys: usize) -> Self {
        let config = QueueConfig {
            capacity: 2 * MESSAGES,
            lease: Duration::from_hours(1),
            ..QueueConfig::default()
        };
        let mut crowd = Self {
            engine: Engine::new(config, 7),
            ids: 0,
            took: Vec::new(),
        };
        // Each time in another order: neighbours in one turn are no neighbours in memory.
        let key = |n: usize| (n % keys) * STEPS[n / keys % STEPS.len()] % keys;
        let name = |n| FairnessKey::new(format!("tenant-{}", key(n))).unwrap();
        crowd.publish((0..MESSAGES).map(name));
        crowd
    }

    fn publish(&mut self, keys: impl Iterator<Item = FairnessKey>) {
        let message = |key| NewMessage::new(Kind::from_static("job"), "x").with_fairness_key(key);
        let mut messages = keys.map(message).collect();
        let ids = &mut self.ids;
        let published = self.engine.publish(NOW, &mut messages, || {
            *ids += 1;
            MessageId::from_bytes(ids.to_be_bytes())
        });
        published.unwrap();
    }

    /// Times deliveries one by one, each with its ack, and puts as many messages of the same keys back.
    fn round(&mut self) {
        let mut keys = Vec::with_capacity(DELIVERIES);
        let begin = Instant::now();
        for _ in 0..DELIVERIES {
            let delivery = self.engine.receive(NOW, 1).remove(0);
            keys.push(delivery.message.fairness_key().clone());
            self.engine.ack(NOW, &[delivery.receipt]);
        }
        self.took
            .push(begin.elapsed() / u32::try_from(DELIVERIES).unwrap());
        self.publish(keys.into_iter());
    }

    fn median(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() / 2]
    }
}

/// How much dearer a delivery among many keys is.
fn ratio() -> f64 {
    let (mut few, mut many) = (Crowd::new(FEW), Crowd::new(MANY));
    for round in 0..ROUNDS {
        let mut crowds = [&mut few, &mut many];
        if round % 2 == 1 {
            crowds.reverse();
        }
        crowds.into_iter().for_each(Crowd::round);
    }
    let (few, many) = (few.median(), many.median());
    let ratio = many.as_secs_f64() / few.as_secs_f64();
    println!("{FEW} keys: {few:?} a delivery; {MANY} keys: {many:?}; ratio {ratio:.2}");
    ratio
}

#[test]
fn a_delivery_among_a_hundred_thousand_keys_costs_at_most_twice_that_among_ten() {
    let mut ratios = Vec::new();
    while ratios.len() < TRIES {
        let ratio = ratio();
        if ratio <= MOST {
            return;
        }
        ratios.push(ratio);
    }
    panic!("the cost grows with the keys: {ratios:?}");
}
