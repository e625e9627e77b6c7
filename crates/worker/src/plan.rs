use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Kind, Observer, Observers};

use crate::routes::{Route, Routes};
use crate::states::States;
use crate::{
    Backoff, Connection, Drain, HandlerOptions, JobService, Requirements, RetryPolicy, WorkerError,
};

/// A worker that has been checked and may start.
pub(crate) struct Plan {
    /// The queues, highest priority first, each with who is told about it.
    pub(crate) queues: Vec<(Connection, Observers)>,
    pub(crate) states: Arc<States>,
    pub(crate) routes: Arc<Routes>,
    /// One service for each route, to be cloned for each slot.
    pub(crate) services: Vec<JobService>,
    pub(crate) settings: Settings,
}

pub(crate) struct HandlerEntry {
    pub(crate) kind: String,
    pub(crate) needs: Requirements,
    pub(crate) service: JobService,
    pub(crate) options: HandlerOptions,
}

#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) concurrency: usize,
    pub(crate) prefetch: Option<usize>,
    pub(crate) retry: RetryPolicy,
    pub(crate) timeout: Option<Duration>,
    pub(crate) pauses: Backoff,
    pub(crate) shutdown_limit: Duration,
    pub(crate) drain: Drain,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            prefetch: None,
            retry: RetryPolicy::default(),
            timeout: None,
            pauses: Backoff::new(Duration::from_millis(100), Duration::from_secs(30)),
            shutdown_limit: Duration::from_secs(30),
            drain: Drain::default(),
        }
    }
}

impl Settings {
    pub(crate) fn prefetch(&self) -> usize {
        self.prefetch.unwrap_or(self.concurrency)
    }
}

/// The most handlers at once, and the most messages ahead: more is a slip of the keyboard.
const MOST: usize = 100_000;

impl Plan {
    pub(crate) fn new(
        queues: Vec<Connection>,
        states: States,
        mut handlers: Vec<HandlerEntry>,
        observers: &[Arc<dyn Observer>],
        settings: Settings,
    ) -> Result<Self, WorkerError> {
        check_range("concurrency", settings.concurrency, 1, "1 to 100000")?;
        check_range("prefetch", settings.prefetch(), 0, "0 to 100000")?;
        if handlers.is_empty() {
            return Err(WorkerError::NoHandler);
        }
        handlers.sort_by(|a, b| a.kind.cmp(&b.kind));
        if let Some(pair) = handlers
            .windows(2)
            .find(|pair| pair[0].kind == pair[1].kind)
        {
            let kind = pair[0].kind.clone();
            return Err(WorkerError::DuplicateKind { kind });
        }
        let (mut routes, mut services) = (Vec::new(), Vec::new());
        for handler in handlers {
            routes.push(route(&handler, &states, &settings)?);
            services.push(handler.service);
        }
        let observed = |queue: Connection| {
            let extra = observers.iter().cloned();
            let all = extra.fold(queue.observers().clone(), |all, one| all.with(one));
            (queue, all)
        };
        Ok(Self {
            queues: queues.into_iter().map(observed).collect(),
            states: Arc::new(states),
            routes: Arc::new(Routes::new(routes, settings.retry)),
            services,
            settings,
        })
    }
}

fn route(
    handler: &HandlerEntry,
    states: &States,
    settings: &Settings,
) -> Result<Route, WorkerError> {
    let Ok(kind) = Kind::new(&handler.kind) else {
        let kind = handler.kind.chars().take(40).collect();
        return Err(WorkerError::InvalidKind { kind });
    };
    if let Some(state) = states.missing(&handler.needs) {
        let kind = handler.kind.clone();
        return Err(WorkerError::MissingState { kind, state });
    }
    Ok(Route {
        kind,
        policy: handler.options.retry.unwrap_or(settings.retry),
        timeout: handler.options.timeout.or(settings.timeout),
    })
}

fn check_range(
    setting: &'static str,
    value: usize,
    least: usize,
    allowed: &'static str,
) -> Result<(), WorkerError> {
    if (least..=MOST).contains(&value) {
        return Ok(());
    }
    Err(WorkerError::InvalidSetting {
        setting,
        value,
        allowed,
    })
}
