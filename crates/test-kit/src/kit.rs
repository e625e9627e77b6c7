use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_queue_core::{Backend, Environment, Observers, Operation, QueueName, Timestamp};
use forebay_worker::{Connection, Producer, Task, Worker};

use crate::faults::Rule;
use crate::stand::Stand;
use crate::{Fault, Outage, Published, RunningWorker, TestKitBuilder, TestQueue};

/// A queue in memory on the paused clock of a test, and everything that a test wants to know of it.
///
/// The kit stands in for the backend: [`connection`](Self::connection) and [`producer`](Self::producer) go where the
/// application's own would. Its randomness has a seed, so a test makes the same steps each time.
///
/// See the [crate](crate) for an example.
pub struct TestKit {
    pub(crate) stand: Arc<Stand>,
    pub(crate) builder: TestKitBuilder,
    connection: Connection,
}

impl TestKit {
    /// A kit with one queue, named `test`, with the default configuration.
    ///
    /// # Panics
    /// Where the clock of the runtime is not paused; the text says how to.
    #[track_caller]
    pub fn new() -> Self {
        TestKitBuilder::default().build()
    }

    /// A kit with another configuration.
    pub fn builder() -> TestKitBuilder {
        TestKitBuilder::default()
    }

    #[track_caller]
    pub(crate) fn with(stand: Arc<Stand>, builder: TestKitBuilder) -> Self {
        let name = queue_name(&builder.name);
        let connection = match stand.open(&name, &builder.config) {
            Ok(connection) => connection,
            Err(error) => panic!("the kit's queue cannot be made: {error}"),
        };
        Self {
            stand,
            builder,
            connection,
        }
    }

    /// The kit's queue, as an application opens it.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Who publishes to the kit's queue: what an application keeps in its state.
    pub fn producer(&self) -> Producer {
        self.connection.producer()
    }

    /// Another queue of this name, made with the kit's configuration where there is none yet.
    ///
    /// # Panics
    /// For a bad name, and during an [`outage`](Self::outage).
    #[track_caller]
    pub fn queue(&self, name: &str) -> TestQueue<'_> {
        let name = queue_name(name);
        match self.stand.open(&name, &self.builder.config) {
            Ok(connection) => TestQueue::new(self, connection),
            Err(error) => panic!("the queue {name} cannot be opened: {error}"),
        }
    }

    /// The backend that the kit stands in for, for an application that opens its queues by itself.
    pub fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.stand.backend)
    }

    /// Where the kit's time, randomness and ids come from.
    pub fn environment(&self) -> Environment {
        self.stand.environment.clone()
    }

    /// Who has to be told what workers do, where an application opens its queues by itself.
    pub fn observers(&self) -> Observers {
        self.stand.observers.clone()
    }

    /// Starts a worker of the kit's queue: the function gives it its handlers and whatever else it needs. The set-up of
    /// the application fits, where it is a function from [`Worker`] to [`Worker`].
    ///
    /// # Panics
    /// When the worker does not start; the text says why.
    #[track_caller]
    pub fn run(&self, set_up: impl FnOnce(Worker) -> Worker) -> RunningWorker {
        self.start(set_up(Worker::new(self.connection())))
    }

    /// Starts a worker that was made elsewhere, on a [`connection`](Self::connection) of the kit.
    ///
    /// # Panics
    /// As [`TestKit::run`].
    #[track_caller]
    pub fn start(&self, worker: Worker) -> RunningWorker {
        self.stand.start_worker(worker)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.stand.environment.now()
    }

    /// How much time has passed since the kit was made.
    pub fn elapsed(&self) -> Duration {
        self.now().since(self.stand.start)
    }

    /// The tasks of a type that were published, to any queue, in order of acceptance. What was refused is not among
    /// them, nor is a duplicate.
    ///
    /// # Panics
    /// When a message of this kind is no such task.
    #[track_caller]
    pub fn published<T: Task>(&self) -> Published<T> {
        Published::of_task(&self.stand)
    }

    /// The messages of a kind that were published, with their payloads as they are.
    pub fn published_raw(&self, kind: &str) -> Published<Bytes> {
        Published::of_kind(&self.stand, kind)
    }

    /// # Panics
    /// When something was published; the text says what.
    #[track_caller]
    pub fn assert_nothing_published(&self) {
        let count = self.stand.recorder.look(|journal| journal.messages.len());
        let all = || self.stand.describe_all(0..count);
        assert!(count == 0, "expected that nothing is published:{}", all());
    }

    /// Fails the next call of this sort, of whichever queue and whoever makes it. A worker makes all but publish by
    /// itself; a receive that is waiting fails at once.
    ///
    /// Calls that are told to fail after one another fail in that order.
    ///
    /// # Panics
    /// For [`Fault::Full`] with anything but a publish.
    #[track_caller]
    pub fn fail(&self, operation: Operation, fault: Fault) {
        self.fail_times(1, operation, fault);
    }

    /// As [`TestKit::fail`], for the next `count` calls.
    ///
    /// # Panics
    /// As [`TestKit::fail`].
    #[track_caller]
    pub fn fail_times(&self, count: usize, operation: Operation, fault: Fault) {
        self.add_fault(None, count, operation, fault);
    }

    #[track_caller]
    pub(crate) fn add_fault(
        &self,
        queue: Option<QueueName>,
        left: usize,
        operation: Operation,
        fault: Fault,
    ) {
        if left == 0 {
            return;
        }
        self.stand.faults.add(Rule {
            queue,
            operation,
            fault,
            left,
        });
    }

    /// The backend is down until the answer is dropped: every call answers `Unavailable`, those that wait at once, and
    /// its health is down.
    pub fn outage(&self) -> Outage {
        self.stand.faults.outage()
    }

    /// Makes the next `count` deliveries twice: the lease is lost as soon as it is given, and the message delivered again,
    /// one attempt older, while its handler runs. This is what "at least once" means.
    pub fn deliver_twice(&self, count: usize) {
        self.stand.faults.deliver_twice(count);
    }

    /// What was told to fail, or to be delivered twice, and has not yet, no longer is. An [`outage`](Self::outage) goes on.
    pub fn clear_faults(&self) {
        self.stand.faults.clear();
    }

    /// # Panics
    /// When something that was told to fail has not: the test did not test it. The text says what.
    #[track_caller]
    pub fn assert_faults_met(&self) {
        let left = self.stand.faults.left();
        assert!(
            left.is_empty(),
            "these were to fail, and have not: {}",
            left.join("; ")
        );
    }
}

impl Default for TestKit {
    /// As [`TestKit::new`].
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKit")
            .field("queues", &self.stand.queues())
            .field("live", &self.stand.live())
            .finish_non_exhaustive()
    }
}

#[track_caller]
fn queue_name(name: &str) -> QueueName {
    match QueueName::new(name) {
        Ok(name) => name,
        Err(error) => panic!("{error}"),
    }
}
