use std::sync::Arc;

use forebay_queue_core::{
    Backend, Environment, Error, Management, MessageId, Observer, Observers, PageRequest,
    QueueConfig, QueueName, Receipt, SeededRandom, State, StoredMessage, Timestamp, guarded,
    observed,
};
use forebay_queue_memory::MemoryBackend;
use forebay_worker::{Connection, Worker};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::RunningWorker;
use crate::clock::ShiftedClock;
use crate::faults::Faults;
use crate::faulty_backend::FaultyBackend;
use crate::faulty_queue::lose_leases;
use crate::recorder::Recorder;

/// Everything that a kit stands on. From the outside in: the user's observers, the guard, the faults, the recorder, the
/// memory backend.
pub(crate) struct Stand {
    pub(crate) environment: Environment,
    pub(crate) clock: Arc<ShiftedClock>,
    /// With everything around it: for applications.
    pub(crate) backend: Arc<dyn Backend>,
    /// The same queues with nothing around them: for the kit.
    memory: Arc<dyn Backend>,
    /// Who is told what workers do.
    pub(crate) observers: Observers,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) start: Timestamp,
}

/// The memory backend never waits, save for messages and for room.
pub(crate) fn at_once<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never()
        .expect("the memory backend answers at once")
}

impl Stand {
    pub(crate) fn new(seed: u64, observers: &Observers) -> Arc<Self> {
        let clock = Arc::new(ShiftedClock::default());
        let random = Arc::new(SeededRandom::new(seed));
        let environment = Environment::new(Arc::clone(&clock) as _, random);
        let recorder = Arc::new(Recorder::new(environment.clone()));
        let faults = Arc::new(Faults::default());
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new(environment.clone()));
        let told: Observers = [Arc::clone(&recorder) as Arc<dyn Observer>]
            .into_iter()
            .collect();
        let failing = FaultyBackend {
            inner: observed(Arc::clone(&memory), told),
            beneath: Arc::clone(&memory),
            faults: Arc::clone(&faults),
        };
        Arc::new(Self {
            start: environment.now(),
            backend: observed(guarded(Arc::new(failing)), observers.clone()),
            observers: observers.with(Arc::clone(&recorder) as Arc<dyn Observer>),
            environment,
            clock,
            memory,
            recorder,
            faults,
        })
    }

    /// Opens a queue; one that is there already with the configuration that it has.
    pub(crate) fn open(&self, name: &QueueName, config: &QueueConfig) -> Result<Connection, Error> {
        let exists = at_once(self.memory.config(name)).is_ok();
        at_once(Connection::open(
            Arc::clone(&self.backend),
            name.clone(),
            (!exists).then(|| config.clone()),
            self.environment.clone(),
            self.observers.clone(),
        ))
    }

    /// Starts a worker in a task of its own.
    ///
    /// # Panics
    /// When it cannot start.
    #[track_caller]
    pub(crate) fn start_worker(&self, worker: Worker) -> RunningWorker {
        let name = format!("{worker:?}");
        let stop = CancellationToken::new();
        let mut run = Box::pin(worker.run(stop.clone()));
        // What is wrong with it shows in its first step.
        if let Some(Err(error)) = (&mut run).now_or_never() {
            panic!("the worker does not start: {error}");
        }
        let task = tokio::spawn(run);
        self.faults.workers.add(task.abort_handle(), name);
        RunningWorker::new(stop, task)
    }

    pub(crate) fn queues(&self) -> Vec<QueueName> {
        at_once(self.memory.list()).unwrap_or_default()
    }

    /// A look below all faults; `None` for a queue that was deleted.
    pub(crate) fn management(&self, queue: &QueueName) -> Option<Arc<dyn Management>> {
        at_once(self.memory.manage(queue)).ok()
    }

    pub(crate) fn stored(&self, queue: &QueueName, id: MessageId) -> Option<StoredMessage> {
        at_once(self.management(queue)?.get(id)).ok().flatten()
    }

    /// All messages of a queue that are in a state.
    pub(crate) fn list(&self, queue: &QueueName, state: State) -> Vec<StoredMessage> {
        let Some(management) = self.management(queue) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        while let Ok(found) = at_once(management.list(state, page)) {
            all.extend(found.items);
            let Some(next) = found.next else {
                break;
            };
            page = PageRequest::after(PageRequest::MAX_LIMIT, next);
        }
        all
    }

    /// Ends a lease behind its holder's back.
    pub(crate) fn lose_lease(&self, queue: &QueueName, receipt: Receipt) {
        if let Ok(session) = at_once(self.memory.open(queue, None)) {
            // A lease that is lost already is what was asked for.
            let _ = at_once(lose_leases(&*session, vec![receipt]));
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.faults.workers.crash();
    }
}
