//! What many fairness keys cost the whole store: publish, receive and ack of one message after the other, with ten, 1,000 and
//! 100,000 keys that all have messages, in queues of the same length and in one run.
//!
//! `cargo test --release -p forebay-queue-memory --test many_keys -- --nocapture` prints the figures. Without `--release` the
//! limits are a smoke test's: only a cost that grows with the number of keys fails them.
#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_queue_core::{
    Backend, Environment, FairnessKey, Kind, NewMessage, Queue, QueueConfig, QueueName,
    SettleOutcome,
};
use forebay_queue_memory::MemoryBackend;

/// In each queue, at any time.
const MESSAGES: usize = 200_000;
/// The most keys, and how much dearer they may be than the first of these.
const CROWDS: [(usize, f64); 3] = [(10, 1.0), (1_000, 1.5), (100_000, 3.0)];
/// Without a factor in common with the numbers of keys.
const STEPS: [usize; 2] = [61_803, 27_183];
/// Timed at a stretch; then it is another queue's turn.
const CYCLES: usize = 5_000;
const ROUNDS: usize = if cfg!(debug_assertions) { 7 } else { 21 };
const BATCH: usize = 250;
/// Another process may take the machine for a moment.
const TRIES: usize = 3;
const GENEROUS: f64 = if cfg!(debug_assertions) { 2.0 } else { 1.0 };

/// A queue whose keys always have as many messages as they had at first.
struct Crowd {
    queue: Arc<dyn Queue>,
    keys: Vec<FairnessKey>,
    /// For each message, in each round.
    took: Vec<Duration>,
}

/// Whose the `n`th message is: everyone's turn comes, each time in another order, so that neighbours in one turn are no
/// neighbours in memory.
fn place(n: usize, keys: usize) -> usize {
    (n % keys) * STEPS[n / keys % STEPS.len()] % keys
}

fn message(key: &FairnessKey) -> NewMessage {
    NewMessage::new(Kind::from_static("job"), "x").with_fairness_key(key.clone())
}

impl Crowd {
    async fn new(backend: &MemoryBackend, keys: usize) -> Self {
        let name = QueueName::new(format!("crowd-of-{keys}")).unwrap();
        let config = QueueConfig {
            capacity: 2 * MESSAGES,
            lease: Duration::from_hours(1),
            ..QueueConfig::default()
        };
        backend.create(&name, &config).await.unwrap();
        let queue: Arc<dyn Queue> = backend.open(&name, None).await.unwrap();
        let key = |n: usize| FairnessKey::new(format!("tenant-{n}")).unwrap();
        let keys: Vec<FairnessKey> = (0..keys).map(key).collect();
        for begin in (0..MESSAGES).step_by(BATCH) {
            let place = |n: usize| place(n, keys.len());
            let batch = (begin..begin + BATCH).map(|n| message(&keys[place(n)]));
            let batch = batch.collect();
            queue.publish(batch, Duration::ZERO).await.unwrap();
        }
        Self {
            queue,
            keys,
            took: Vec::new(),
        }
    }

    async fn round(&mut self, round: usize) {
        // The keys take turns, so that those that come are those that go.
        let first = round * CYCLES;
        let key = |n| &self.keys[place(first + n, self.keys.len())];
        let messages: Vec<_> = (0..CYCLES).map(|n| vec![message(key(n))]).collect();
        let begin = Instant::now();
        for batch in messages {
            self.queue.publish(batch, Duration::ZERO).await.unwrap();
            let delivery = self.queue.receive(1, Duration::ZERO).await.unwrap();
            let settled = self.queue.ack(&[delivery[0].receipt.clone()]).await;
            assert_eq!(settled.unwrap(), [SettleOutcome::Done]);
        }
        self.took
            .push(begin.elapsed() / u32::try_from(CYCLES).unwrap());
    }

    fn median(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() / 2]
    }
}

/// How much dearer a message is in each of the crowds than in the first.
async fn ratios() -> Vec<f64> {
    let backend = MemoryBackend::new(Environment::system());
    let mut crowds = Vec::new();
    for (keys, _) in CROWDS {
        crowds.push(Crowd::new(&backend, keys).await);
    }
    for round in 0..ROUNDS {
        let count = crowds.len();
        for place in 0..count {
            crowds[(round + place) % count].round(round).await;
        }
    }
    let medians: Vec<Duration> = crowds.iter_mut().map(Crowd::median).collect();
    let of = |took: &Duration| took.as_secs_f64() / medians[0].as_secs_f64();
    let ratios: Vec<f64> = medians.iter().map(of).collect();
    for (((keys, _), took), ratio) in CROWDS.iter().zip(&medians).zip(&ratios) {
        println!("{keys} keys: {took:?} a message, ratio {ratio:.2}");
    }
    ratios
}

#[tokio::test]
async fn a_message_among_many_keys_costs_little_more_than_among_ten() {
    let mut tries = Vec::new();
    while tries.len() < TRIES {
        let ratios = ratios().await;
        let mut each = CROWDS.iter().zip(&ratios);
        if each.all(|((_, most), ratio)| *ratio <= most * GENEROUS) {
            return;
        }
        tries.push(ratios);
    }
    panic!("the cost grows with the keys: {tries:?}");
}
