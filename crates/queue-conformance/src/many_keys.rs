//! What many fairness keys cost a whole store.
#![expect(clippy::unwrap_used, reason = "what does not hold, panics")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_queue_core::{
    Backend, FairnessKey, Kind, NewMessage, Queue, QueueConfig, QueueName, Receipt, SettleOutcome,
};

/// Without a factor in common with the numbers of keys.
const STEPS: [usize; 2] = [61_803, 27_183];
const BATCH: usize = 250;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Messages in each queue, at any time: a multiple of 250 that every number of keys divides.
    pub messages: usize,
    /// Messages that are published, received and acked at once, at most 250.
    pub at_once: usize,
    /// How often that is done at a stretch; then it is another queue's turn.
    pub cycles: usize,
    /// How many turns each queue has.
    pub rounds: usize,
}

/// What a message costs from publish to ack, in the median of the rounds, for each number of keys: in queues of the same length
/// whose messages are spread over so many keys. The queues take turns, so that what disturbs one disturbs all.
///
/// # Panics
/// When the backend fails.
pub async fn costs<const N: usize>(
    backend: &dyn Backend,
    keys: [usize; N],
    load: Load,
) -> [Duration; N] {
    let mut crowds = Vec::with_capacity(N);
    for keys in keys {
        crowds.push(Crowd::new(backend, keys, load).await);
    }
    for round in 0..load.rounds {
        for place in 0..N {
            crowds[(round + place) % N].round(round, load).await;
        }
    }
    std::array::from_fn(|place| crowds[place].median())
}

/// A queue whose keys always have as many messages as they had at first.
struct Crowd {
    queue: Arc<dyn Queue>,
    keys: Vec<FairnessKey>,
    /// For each message, in each round.
    took: Vec<Duration>,
}

impl Crowd {
    async fn new(backend: &dyn Backend, keys: usize, load: Load) -> Self {
        let name = QueueName::new(format!("crowd-of-{keys}")).unwrap();
        let config = QueueConfig {
            capacity: 2 * load.messages,
            lease: Duration::from_hours(1),
            ..QueueConfig::default()
        };
        backend.create(&name, &config).await.unwrap();
        let queue = backend.open(&name, None).await.unwrap();
        let key = |n: usize| FairnessKey::new(format!("tenant-{n}")).unwrap();
        let crowd = Self {
            queue,
            keys: (0..keys).map(key).collect(),
            took: Vec::new(),
        };
        for begin in (0..load.messages).step_by(BATCH) {
            crowd.publish(begin, BATCH).await;
        }
        crowd
    }

    /// Whose the `n`th message is: everyone's turn comes, each time in another order, so that neighbours in one turn are no
    /// neighbours in memory.
    fn key(&self, n: usize) -> &FairnessKey {
        let keys = self.keys.len();
        &self.keys[(n % keys) * STEPS[n / keys % STEPS.len()] % keys]
    }

    async fn publish(&self, first: usize, count: usize) {
        let kind = || Kind::from_static("job");
        let message = |n| NewMessage::new(kind(), "x").with_fairness_key(self.key(n).clone());
        let messages = (first..first + count).map(message).collect();
        self.queue.publish(messages, Duration::ZERO).await.unwrap();
    }

    async fn round(&mut self, round: usize, load: Load) {
        // The keys take turns, so that those that come are those that go.
        let total = load.cycles * load.at_once;
        let begin = Instant::now();
        for cycle in 0..load.cycles {
            let first = round * total + cycle * load.at_once;
            self.publish(first, load.at_once).await;
            let received = self.queue.receive(load.at_once, Duration::ZERO).await;
            let receipts = received.unwrap().into_iter().map(|d| d.receipt);
            let receipts: Vec<Receipt> = receipts.collect();
            assert_eq!(receipts.len(), load.at_once);
            let settled = self.queue.ack(&receipts).await.unwrap();
            assert!(settled.iter().all(|o| *o == SettleOutcome::Done));
        }
        self.took
            .push(begin.elapsed() / u32::try_from(total).unwrap());
    }

    fn median(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() / 2]
    }
}
