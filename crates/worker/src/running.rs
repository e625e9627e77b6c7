use std::sync::Arc;

use forebay_queue_core::Queue;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::buffer::Buffer;
use crate::fetcher::Fetcher;
use crate::job::JobContext;
use crate::keeper::Keeper;
use crate::lane::{Lane, OUTAGE};
use crate::plan::{Plan, Settings};
use crate::prober::Prober;
use crate::routes::Routes;
use crate::settler::Settler;
use crate::shutdown;
use crate::slot::Slot;
use crate::states::States;
use crate::{Connection, JobService, Report, WorkerError};

/// A worker at work. Dropping it ends all its tasks at once.
pub(crate) struct Running {
    pub(crate) settings: Settings,
    pub(crate) lanes: Arc<[Arc<Lane>]>,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) slots: JoinSet<()>,
    pub(crate) fetchers: JoinSet<()>,
    pub(crate) settlers: JoinSet<()>,
    /// Keepers and probers.
    pub(crate) keepers: JoinSet<()>,
    pub(crate) signals: Signals,
    states: Arc<States>,
    routes: Arc<Routes>,
    services: Vec<JobService>,
}

/// How the parts of a worker are told what to do.
pub(crate) struct Signals {
    /// The worker is to end.
    pub(crate) shutdown: CancellationToken,
    /// Fetch until nothing is left.
    pub(crate) drain: CancellationToken,
    /// Fetch nothing more.
    pub(crate) stop_fetching: CancellationToken,
    /// Keep nothing alive any more.
    pub(crate) stop_keeping: CancellationToken,
}

impl Running {
    /// Opens a session with each queue and starts all parts; `None` when it was stopped before that worked.
    pub(crate) async fn start(
        plan: Plan,
        shutdown: CancellationToken,
    ) -> Result<Option<Self>, WorkerError> {
        let settings = plan.settings;
        let capacity = settings.concurrency + settings.prefetch();
        let mut lanes = Vec::new();
        for (index, (connection, observers)) in plan.queues.into_iter().enumerate() {
            let opened = tokio::select! {
                // A session that is to be had is taken even then: a drain may have been asked for.
                biased;
                session = open(&connection) => Some(session?),
                () = shutdown.cancelled() => None,
            };
            let Some(session) = opened else {
                return Ok(None);
            };
            let lane = Lane::new(index, connection, observers, capacity, session);
            lanes.push(Arc::new(lane));
        }
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let low_waters = lanes.iter().map(|_| settings.prefetch() / 2);
        let mut running = Self {
            buffer: Arc::new(Buffer::new(low_waters, settings.concurrency, threads)),
            settings,
            lanes: lanes.into(),
            slots: JoinSet::new(),
            fetchers: JoinSet::new(),
            settlers: JoinSet::new(),
            keepers: JoinSet::new(),
            signals: Signals {
                shutdown,
                drain: CancellationToken::new(),
                stop_fetching: CancellationToken::new(),
                stop_keeping: CancellationToken::new(),
            },
            states: plan.states,
            routes: plan.routes,
            services: plan.services,
        };
        running.spawn_parts();
        Ok(Some(running))
    }

    /// Works until it is told to stop, then shuts down.
    pub(crate) async fn run(self) -> Report {
        self.signals.shutdown.cancelled().await;
        shutdown::shut_down(self).await
    }

    fn spawn_parts(&mut self) {
        for lane in &*self.lanes {
            self.settlers.spawn(Settler::new(Arc::clone(lane)).run());
            let stop = self.signals.stop_keeping.clone();
            self.keepers
                .spawn(Keeper::new(Arc::clone(lane), stop.clone()).run());
            let prober = Prober {
                lane: Arc::clone(lane),
                buffer: Arc::clone(&self.buffer),
                stop,
            };
            self.keepers.spawn(prober.run());
            let fetcher = Fetcher {
                lane: Arc::clone(lane),
                buffer: Arc::clone(&self.buffer),
                stop: self.signals.stop_fetching.clone(),
                drain: self.signals.drain.clone(),
                batch: lane.connection.backend().capabilities().limits.batch.max(1),
            };
            self.fetchers.spawn(fetcher.run());
        }
        for index in 0..self.settings.concurrency {
            self.spawn_slot(index);
        }
    }

    fn spawn_slot(&mut self, index: usize) {
        let context = |lane: &Arc<Lane>| {
            Arc::new(JobContext {
                queue: lane.connection.name().clone(),
                backend: lane.connection.backend().name(),
                states: Arc::clone(&self.states),
                shutdown: self.signals.shutdown.clone(),
            })
        };
        let slot = Slot {
            index,
            buffer: Arc::clone(&self.buffer),
            lanes: Arc::clone(&self.lanes),
            routes: Arc::clone(&self.routes),
            services: self.services.clone(),
            contexts: self.lanes.iter().map(context).collect(),
            pauses: self.settings.pauses,
        };
        self.slots.spawn(slot.run());
    }
}

/// Opens a session; a store that cannot be reached is asked until it can.
async fn open(connection: &Connection) -> Result<Arc<dyn Queue>, WorkerError> {
    let mut failures = 0;
    loop {
        match connection.session().await {
            Ok(session) => return Ok(session),
            Err(error) if error.is_retryable() => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(
                        queue = %connection.name(), error = &error as &dyn std::error::Error,
                        "opening the queue failed; it is tried again until it works"
                    );
                }
                let unit = connection.environment().random().unit();
                sleep(OUTAGE.delay(failures, unit.midpoint(1.0))).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
