//! A queue in memory, with faults and a recorder, and a worker on it.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Backend, DeadLetterFilter, Environment, MessageId, Observer, Observers, PageRequest,
    QueueConfig, QueueName, Stats, StoredMessage, guarded, observed,
};
use forebay_queue_memory::MemoryBackend;
use forebay_worker::{Connection, Report, RetryPolicy, Task, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::faulty::{Faults, FaultyBackend};
use crate::recorder::Recorder;

/// The task of most tests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) number: u32,
}

impl Task for Number {
    const KIND: &'static str = "number";
}

pub(crate) struct Fixture {
    pub(crate) connection: Connection,
    pub(crate) faults: Arc<Faults>,
    pub(crate) recorder: Arc<Recorder>,
}

/// A worker that was started by a test.
pub(crate) struct Started {
    pub(crate) stop: CancellationToken,
    task: JoinHandle<Result<Report, WorkerError>>,
}

/// Quick retries, so that few virtual seconds pass.
pub(crate) fn quick() -> RetryPolicy {
    RetryPolicy::default()
        .base(Duration::from_millis(10))
        .cap(Duration::from_millis(40))
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(QueueConfig::default()).await
    }

    pub(crate) async fn with_lease(lease: Duration) -> Self {
        Self::with(QueueConfig {
            lease,
            ..QueueConfig::default()
        })
        .await
    }

    pub(crate) async fn with(config: QueueConfig) -> Self {
        let environment = Environment::seeded(1);
        let faults = Arc::new(Faults::default());
        let recorder = Arc::new(Recorder::default());
        let observers: Observers = [Arc::clone(&recorder) as Arc<dyn Observer>]
            .into_iter()
            .collect();
        let inner = Arc::new(MemoryBackend::new(environment.clone()));
        let failing = FaultyBackend {
            inner,
            faults: Arc::clone(&faults),
        };
        let backend = observed(guarded(Arc::new(failing)), observers.clone());
        let name = QueueName::from_static("numbers");
        let connection = Connection::open(backend, name, Some(config), environment, observers)
            .await
            .unwrap();
        Self {
            connection,
            faults,
            recorder,
        }
    }

    /// Another queue in the same backend.
    pub(crate) async fn another(&self, name: &'static str) -> Connection {
        Connection::open(
            Arc::clone(self.backend()),
            QueueName::from_static(name),
            Some(QueueConfig::default()),
            self.connection.environment().clone(),
            self.connection.observers().clone(),
        )
        .await
        .unwrap()
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        self.connection.backend()
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker::new(self.connection.clone())
            .concurrency(4)
            .retry(quick())
    }

    pub(crate) async fn publish(&self, number: u32) -> MessageId {
        let outcome = self.connection.producer().publish(Number { number }).await;
        outcome.unwrap().id()
    }

    pub(crate) async fn publish_many(&self, count: u32) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(self.publish(number).await);
        }
        ids
    }

    pub(crate) async fn stats(&self) -> Stats {
        self.connection.management().stats().await.unwrap()
    }

    /// Waits until nothing is scheduled, ready or leased.
    pub(crate) async fn until_empty(&self) {
        self.until("the queue is empty", |stats| stats.live() == 0)
            .await;
    }

    /// Waits until the counts are as asked for, up to an hour of virtual time.
    pub(crate) async fn until(&self, what: &str, reached: impl Fn(&Stats) -> bool) {
        let limit = Instant::now() + Duration::from_hours(1);
        loop {
            let stats = self.stats().await;
            if reached(&stats) {
                return;
            }
            assert!(
                Instant::now() < limit,
                "not within an hour: {what}: {stats:?}"
            );
            // tidy: sleep — a step of polling with a limit
            sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn get(&self, id: MessageId) -> Option<StoredMessage> {
        self.connection.management().get(id).await.unwrap()
    }

    pub(crate) async fn dead_letters(&self) -> Vec<StoredMessage> {
        let all = DeadLetterFilter::all();
        let page = self
            .connection
            .management()
            .dead_letters(&all, PageRequest::first(1000));
        page.await.unwrap().items
    }
}

impl Started {
    pub(crate) fn new(worker: Worker) -> Self {
        let stop = CancellationToken::new();
        let task = worker.spawn(stop.clone());
        Self { stop, task }
    }

    pub(crate) async fn stop(self) -> Report {
        self.stop.cancel();
        self.ended().await
    }

    pub(crate) async fn ended(self) -> Report {
        self.task.await.unwrap().unwrap()
    }

    /// Ends it as a crash would: without giving anything back.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// Waits until something holds, up to an hour of virtual time.
pub(crate) async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_hours(1);
    while !reached() {
        assert!(Instant::now() < limit, "not within an hour: {what}");
        // tidy: sleep — a step of polling with a limit
        sleep(Duration::from_millis(1)).await;
    }
}
