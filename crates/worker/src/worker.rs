use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{BoxError, Kind, Observer};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_layer::Layer;
use tower_service::Service;

use crate::plan::{HandlerEntry, Plan, Settings};
use crate::running::Running;
use crate::states::States;
use crate::{
    Backoff, Connection, Handler, HandlerOptions, Job, JobService, Outcome, RawHandler, Report,
    Requirements, RetryPolicy, WorkerError,
};

/// Runs handlers for the messages of one queue or several.
///
/// It fetches as many messages as it can run, and some more ahead, keeps all their leases alive, runs handlers
/// concurrently, and settles in batches. A handler that fails, panics or takes too long is tried again by the
/// [`RetryPolicy`], until the message becomes a dead letter. A store that cannot be reached is asked again until
/// it can: nothing but its shutdown ends a worker.
///
/// ```
/// use forebay_worker::{Connection, Failure, Meta, State, Task, Worker};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct SendEmail { to: String }
/// impl Task for SendEmail { const KIND: &'static str = "send-email"; }
///
/// async fn send_email(email: SendEmail, meta: Meta, State(from): State<String>) -> Result<(), Failure> {
///     println!("{} to {}, attempt {}", from, email.to, meta.attempt());
///     Ok(())
/// }
///
/// # async fn example(queue: Connection) -> Result<(), forebay_worker::WorkerError> {
/// Worker::new(queue)
///     .state(String::from("office@example.com"))
///     .handle(send_email)
///     .concurrency(64)
///     .run_until(std::future::ready(()))
///     .await
/// # }
/// ```
#[must_use = "a worker does nothing before it is run"]
pub struct Worker {
    queues: Vec<(Connection, i32)>,
    states: States,
    handlers: Vec<HandlerEntry>,
    layers: Vec<Box<dyn Fn(JobService) -> JobService + Send>>,
    observers: Vec<Arc<dyn Observer>>,
    settings: Settings,
}

/// What becomes of the backlog when a worker is told to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drain {
    /// What runs comes to its end; what has not started is given back.
    #[default]
    Running,
    /// It goes on fetching until nothing is ready any more, or the shutdown limit comes near: for a queue
    /// that dies with the process. Messages that are scheduled for later are not waited for.
    Backlog,
}

impl Worker {
    /// A worker of this queue, with priority 0.
    pub fn new(queue: Connection) -> Self {
        Self {
            queues: vec![(queue, 0)],
            states: States::default(),
            handlers: Vec::new(),
            layers: Vec::new(),
            observers: Vec::new(),
            settings: Settings::default(),
        }
    }

    /// Adds another queue. As long as a queue of higher priority has messages here, those of lower ones wait;
    /// queues of the same priority go in the order in which they were added.
    ///
    /// Each queue has room for concurrency + prefetch messages of its own.
    pub fn queue(mut self, queue: Connection, priority: i32) -> Self {
        self.queues.push((queue, priority));
        self
    }

    /// Gives handlers a value, which they take as [`State<S>`](crate::State). One per type: the last one counts.
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, state: S) -> Self {
        self.states.insert(state);
        self
    }

    /// Adds the handler of a kind of task.
    pub fn handle<A, H: Handler<A>>(self, handler: H) -> Self {
        self.handle_with(handler, HandlerOptions::default())
    }

    /// Adds a handler with a retry policy or a time limit of its own.
    pub fn handle_with<A, H: Handler<A>>(mut self, handler: H, options: HandlerOptions) -> Self {
        let mut needs = Requirements::default();
        H::requirements(&mut needs);
        self.handlers.push(HandlerEntry {
            kind: H::KIND.to_owned(),
            needs,
            service: handler.into_service(),
            options,
        });
        self
    }

    /// Adds a handler that takes the payload of a kind as bytes.
    pub fn handle_raw<A, H: RawHandler<A>>(mut self, kind: &Kind, handler: H) -> Self {
        let mut needs = Requirements::default();
        H::requirements(&mut needs);
        self.handlers.push(HandlerEntry {
            kind: kind.as_str().to_owned(),
            needs,
            service: handler.into_service(),
            options: HandlerOptions::default(),
        });
        self
    }

    /// Wraps every handler, those added later too, in a `tower` layer. The last layer added is the outermost.
    ///
    /// An error of a layer, such as that of tower's `TimeoutLayer`, is a failed attempt.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<JobService> + Send + 'static,
        L::Service: Service<Job, Response = Outcome> + Clone + Send + 'static,
        <L::Service as Service<Job>>::Error: Into<BoxError>,
        <L::Service as Service<Job>>::Future: Send + 'static,
    {
        self.layers.push(Box::new(move |service| {
            JobService::new(layer.layer(service))
        }));
        self
    }

    /// How many handlers run at once. Default 16.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.settings.concurrency = concurrency;
        self
    }

    /// How many messages are fetched ahead of those that run. Default: as many as run at once.
    ///
    /// Jobs that are over sooner than the store answers want several times as many, so that one batch is fetched and another
    /// acked while a third runs. What is fetched ahead is leased: when the worker is killed it waits for the end of its lease.
    pub fn prefetch(mut self, prefetch: usize) -> Self {
        self.settings.prefetch = Some(prefetch);
        self
    }

    /// When failed attempts are followed by others, where a handler has no policy of its own.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// How long an attempt may take, where a handler has no limit of its own. Default: as long as it likes.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.settings.timeout = Some(limit);
        self
    }

    /// For how long fetching pauses when a handler says that something is down. Default 100 ms to 30 s.
    pub fn unavailable_backoff(mut self, backoff: Backoff) -> Self {
        self.settings.pauses = backoff;
        self
    }

    /// How long a shutdown may take. Default 30 s. A little of it, at most a second, is kept for giving back what
    /// has not finished.
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.settings.shutdown_limit = limit;
        self
    }

    /// What becomes of the backlog at shutdown.
    pub fn drain(mut self, drain: Drain) -> Self {
        self.settings.drain = drain;
        self
    }

    /// Adds an observer to those of the connections.
    pub fn observe(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Runs until the future ends, then shuts down.
    ///
    /// # Errors
    /// [`WorkerError`] when it cannot start. Once it runs, it ends with `Ok`.
    ///
    /// # Cancel safety
    /// Dropping the future stops everything at once: what was running comes back when its lease ends.
    pub async fn run_until(self, signal: impl Future) -> Result<(), WorkerError> {
        let shutdown = CancellationToken::new();
        let mut run = std::pin::pin!(self.run(shutdown.clone()));
        tokio::select! {
            report = &mut run => return report.map(drop),
            _ = signal => shutdown.cancel(),
        }
        run.await.map(drop)
    }

    /// Runs until the token is cancelled, then shuts down, and reports what it did.
    ///
    /// # Errors
    /// [`WorkerError`] when it cannot start.
    ///
    /// # Cancel safety
    /// As [`Worker::run_until`].
    pub async fn run(self, shutdown: CancellationToken) -> Result<Report, WorkerError> {
        let plan = self.plan()?;
        match Running::start(plan, shutdown).await? {
            Some(running) => Ok(running.run().await),
            // It was stopped while it waited for the store.
            None => Ok(Report::default()),
        }
    }

    /// Runs it in a task of its own.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(self, shutdown: CancellationToken) -> JoinHandle<Result<Report, WorkerError>> {
        tokio::spawn(self.run(shutdown))
    }

    fn plan(mut self) -> Result<Plan, WorkerError> {
        for handler in &mut self.handlers {
            let inner = handler.service.clone();
            handler.service = self.layers.iter().fold(inner, |inner, layer| layer(inner));
        }
        // Stable: of the same priority, the one added first comes first.
        self.queues
            .sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
        let queues = self.queues.into_iter().map(|(queue, _)| queue).collect();
        Plan::new(
            queues,
            self.states,
            self.handlers,
            &self.observers,
            self.settings,
        )
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues: Vec<_> = self.queues.iter().map(|(q, _)| q.name()).collect();
        let kinds: Vec<_> = self.handlers.iter().map(|h| &h.kind).collect();
        f.debug_struct("Worker")
            .field("queues", &queues)
            .field("kinds", &kinds)
            .finish_non_exhaustive()
    }
}
