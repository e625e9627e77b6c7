use std::fmt;

use forebay_queue_core::Operation;
use forebay_worker::{Connection, Producer, Task, Worker};

use crate::{Fault, Published, RunningWorker, TestKit};

/// One named queue of a [`TestKit`].
pub struct TestQueue<'a> {
    kit: &'a TestKit,
    connection: Connection,
}

impl<'a> TestQueue<'a> {
    pub(crate) const fn new(kit: &'a TestKit, connection: Connection) -> Self {
        Self { kit, connection }
    }

    /// The queue, as an application opens it.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Who publishes to it.
    pub fn producer(&self) -> Producer {
        self.connection.producer()
    }

    /// As [`TestKit::run`], for this queue.
    ///
    /// # Panics
    /// As [`TestKit::run`].
    #[track_caller]
    pub fn run(&self, set_up: impl FnOnce(Worker) -> Worker) -> RunningWorker {
        self.kit.start(set_up(Worker::new(self.connection())))
    }

    /// As [`TestKit::published`], for this queue.
    ///
    /// # Panics
    /// As [`TestKit::published`].
    #[track_caller]
    pub fn published<T: Task>(&self) -> Published<T> {
        let name = self.connection.name().as_str();
        self.kit.published().in_queue(name)
    }

    /// As [`TestKit::fail`], for calls of this queue.
    ///
    /// # Panics
    /// As [`TestKit::fail`].
    #[track_caller]
    pub fn fail(&self, operation: Operation, fault: Fault) {
        self.fail_times(1, operation, fault);
    }

    /// As [`TestKit::fail_times`], for calls of this queue.
    ///
    /// # Panics
    /// As [`TestKit::fail`].
    #[track_caller]
    pub fn fail_times(&self, count: usize, operation: Operation, fault: Fault) {
        let name = self.connection.name().clone();
        self.kit.add_fault(Some(name), count, operation, fault);
    }
}

impl fmt::Debug for TestQueue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestQueue")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
