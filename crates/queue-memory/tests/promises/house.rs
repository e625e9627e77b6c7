use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::{
    Backend, Clock, Delivery, Environment, Error, IdempotencyKey, Kind, Management, MessageId,
    NewMessage, PublishOutcome, Queue, QueueConfig, QueueName, SeededRandom, SystemClock,
    Timestamp,
};
use forebay_queue_memory::MemoryBackend;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const AT_ONCE: Duration = Duration::ZERO;
/// A timer fires on whole milliseconds.
pub(crate) const TICK: Duration = Duration::from_millis(2);

pub(crate) const NAME: QueueName = QueueName::from_static("jobs");

/// A backend with one queue, a session of it and its management.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) desk: Arc<dyn Management>,
}

pub(crate) type Answer<T> = JoinHandle<(Result<T, Error>, Duration)>;

pub(crate) fn config(capacity: usize) -> QueueConfig {
    QueueConfig {
        capacity,
        ..QueueConfig::default()
    }
}

pub(crate) fn plain(payload: &str) -> NewMessage {
    NewMessage::new(Kind::from_static("job"), payload.to_owned())
}

pub(crate) fn keyed(key: &str) -> NewMessage {
    let key = IdempotencyKey::new(key).expect("a test's key is valid");
    plain("keyed").with_idempotency_key(key)
}

pub(crate) fn payloads(deliveries: &[Delivery]) -> Vec<String> {
    let text = |d: &Delivery| String::from_utf8_lossy(d.message.payload()).into_owned();
    deliveries.iter().map(text).collect()
}

/// Lets every task run until it waits.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

impl House {
    pub(crate) async fn new(config: QueueConfig) -> Self {
        counting(config).await.0
    }

    pub(crate) async fn around(backend: Arc<dyn Backend>, config: QueueConfig) -> Self {
        let created = backend.create(&NAME, &config).await;
        created.expect("there is no such queue yet");
        Self {
            queue: backend.open(&NAME, None).await.expect("it exists"),
            desk: backend.manage(&NAME).await.expect("it exists"),
            backend,
        }
    }

    pub(crate) async fn publish(&self, message: NewMessage) -> MessageId {
        let outcomes = self.queue.publish(vec![message], AT_ONCE).await;
        match outcomes.expect("there is room")[..] {
            [PublishOutcome::Accepted(id)] => id,
            _ => panic!("not accepted, but a duplicate"),
        }
    }

    pub(crate) async fn take(&self) -> Delivery {
        let deliveries = self.queue.receive(1, AT_ONCE).await;
        deliveries.expect("it is open").pop().expect("there is one")
    }

    pub(crate) async fn assert_nothing_to_receive(&self) {
        assert!(self.queue.receive(9, AT_ONCE).await.unwrap().is_empty());
    }

    /// Takes everything that is ready, in order, and acks it.
    pub(crate) async fn drain(&self) -> Vec<String> {
        let deliveries = self.queue.receive(10_000, AT_ONCE).await.unwrap();
        for delivery in &deliveries {
            delivery.clone().ack(&*self.queue).await.unwrap();
        }
        payloads(&deliveries)
    }

    /// A receive in a task of its own, that is waiting when this returns.
    pub(crate) async fn receiving(&self, max: usize, wait: Duration) -> Answer<Vec<Delivery>> {
        let queue = Arc::clone(&self.queue);
        let task = tokio::spawn(async move {
            let start = Instant::now();
            (queue.receive(max, wait).await, start.elapsed())
        });
        settle().await;
        task
    }

    /// A publish in a task of its own, that is waiting when this returns.
    pub(crate) async fn publishing(
        &self,
        batch: Vec<NewMessage>,
        patience: Duration,
    ) -> Answer<Vec<PublishOutcome>> {
        let queue = Arc::clone(&self.queue);
        let task = tokio::spawn(async move {
            let start = Instant::now();
            (queue.publish(batch, patience).await, start.elapsed())
        });
        settle().await;
        task
    }
}

/// A clock that counts how often it is read, which is how often somebody looks, and fails the test that spins.
#[derive(Debug)]
pub(crate) struct CountingClock {
    clock: SystemClock,
    reads: Arc<AtomicUsize>,
}

impl Clock for CountingClock {
    fn now(&self) -> Timestamp {
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        // Once only: a look while the test unwinds must not end the whole process.
        assert_ne!(reads, 1_000_000, "somebody looks without end");
        self.clock.now()
    }
}

/// A house and the number of looks at its clock.
pub(crate) async fn counting(config: QueueConfig) -> (House, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let clock = CountingClock {
        clock: SystemClock::new(),
        reads: Arc::clone(&reads),
    };
    let environment = Environment::new(Arc::new(clock), Arc::new(SeededRandom::new(1)));
    let backend = Arc::new(MemoryBackend::new(environment));
    (House::around(backend, config).await, reads)
}
