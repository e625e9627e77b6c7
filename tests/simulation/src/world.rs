use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::history::{History, Mark};
use forebay_queue_core::{
    Backend, Environment, Error, Observers, QueueName, SeededRandom, guarded, observed,
};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock::{Steady, SteppedClock};
use crate::dice::Dice;
use crate::swarm::{LONGEST_LEASE, Swarm};
use crate::wire::{Wire, WireBackend};
use crate::{Occurrence, Tally};

/// What all parts of one simulation share.
pub(crate) struct World {
    pub(crate) swarm: Swarm,
    pub(crate) names: Vec<QueueName>,
    pub(crate) clock: Arc<SteppedClock>,
    pub(crate) environment: Environment,
    /// The store itself: no call fails here.
    pub(crate) store: Arc<dyn Backend>,
    pub(crate) history: History,
    pub(crate) tally: Tally,
    /// Cancelled when the trouble is over: from then on nothing fails any more.
    pub(crate) calm: CancellationToken,
    /// Calls that were sent by someone who is not waiting for them any more.
    pub(crate) network: Mutex<JoinSet<()>>,
    weather: Mutex<Weather>,
    /// What went wrong beside what the checker sees.
    failures: Mutex<Vec<String>>,
}

/// What is wrong in the world now.
struct Weather {
    outage: Option<(Instant, Occurrence)>,
    dependency_down: Instant,
    /// How much time has passed at once so far.
    jumped: Duration,
    dice: Dice,
}

/// Wraps the store: how a test breaks it.
pub type Wrap = Arc<dyn Fn(Arc<dyn Backend>) -> Arc<dyn Backend> + Send + Sync>;

const NAMES: [QueueName; 2] = [
    QueueName::from_static("first"),
    QueueName::from_static("second"),
];

impl World {
    pub(crate) fn new(dice: &mut Dice, swarm: Swarm, wrap: Option<&Wrap>) -> Arc<Self> {
        let clock = Arc::new(SteppedClock::new());
        let random = Arc::new(SeededRandom::new(dice.seed()));
        let environment = Environment::new(Arc::clone(&clock) as _, random);
        let memory: Arc<dyn Backend> = Arc::new(forebay_queue_memory::MemoryBackend::new(
            environment.clone(),
        ));
        let store = wrap.map_or_else(|| Arc::clone(&memory), |wrap| wrap(Arc::clone(&memory)));
        Arc::new(Self {
            names: NAMES[..swarm.queues.len()].to_vec(),
            history: History::new(&Environment::new(
                Arc::new(Steady(Arc::clone(&clock))),
                Arc::new(SeededRandom::new(0)),
            )),
            swarm,
            clock,
            environment,
            store,
            tally: Tally::default(),
            calm: CancellationToken::new(),
            network: Mutex::default(),
            weather: Mutex::new(Weather {
                outage: None,
                dependency_down: Instant::now(),
                jumped: Duration::ZERO,
                dice: dice.fork(),
            }),
            failures: Mutex::default(),
        })
    }

    /// It happened.
    pub(crate) fn saw(&self, occurrence: Occurrence) {
        self.tally.count(occurrence);
    }

    /// It happened, and the trace says so.
    pub(crate) fn tell(&self, occurrence: Occurrence, about: impl std::fmt::Display) {
        self.saw(occurrence);
        self.note(format!("{}: {about}", occurrence.as_str()));
    }

    pub(crate) fn note(&self, text: String) {
        self.history.mark(Mark::Note { text });
    }

    /// Something happened that must not.
    pub(crate) fn fail(&self, text: String) {
        self.note(format!("wrong: {text}"));
        self.failures.lock().push(text);
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().clone()
    }

    /// The store as process `process` sees it, watched by the history.
    pub(crate) fn backend(self: &Arc<Self>, process: u32, wire: &Arc<Wire>) -> Arc<dyn Backend> {
        let wired = WireBackend::new(Arc::clone(&self.store), Arc::clone(wire));
        observed(guarded(Arc::new(wired)), self.observers(process))
    }

    pub(crate) fn observers(&self, process: u32) -> Observers {
        Observers::none().with(self.history.for_process(process))
    }

    /// Lets time pass, but no longer than there is trouble.
    pub(crate) async fn pass(&self, span: Duration) {
        self.pass_until(Instant::now() + span).await;
    }

    /// As [`World::pass`].
    pub(crate) async fn pass_until(&self, end: Instant) {
        tokio::select! {
            biased;
            () = self.calm.cancelled() => {}
            // tidy: sleep — on the paused clock of a simulation
            () = sleep_until(end) => {}
        }
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.is_cancelled()
    }

    /// Lets time pass at once: whatever should have happened meanwhile happens afterwards.
    pub(crate) async fn jump(&self, span: Duration) {
        self.weather.lock().jumped += span;
        tokio::time::advance(span).await;
    }

    /// How much time has passed at once so far.
    pub(crate) fn jumped(&self) -> Duration {
        self.weather.lock().jumped
    }

    pub(crate) fn begin_outage(&self, span: Duration, sort: Occurrence) {
        self.weather.lock().outage = Some((Instant::now() + span, sort));
    }

    pub(crate) fn take_dependency_down(&self, span: Duration) {
        self.weather.lock().dependency_down = Instant::now() + span;
    }

    pub(crate) fn is_dependency_down(&self) -> bool {
        !self.is_calm() && Instant::now() < self.weather.lock().dependency_down
    }

    /// What hits the next call, if anything does.
    pub(crate) fn hit(&self) -> Option<Occurrence> {
        if self.is_calm() {
            return None;
        }
        let mut weather = self.weather.lock();
        if let Some((end, sort)) = weather.outage
            && Instant::now() < end
        {
            return Some(sort);
        }
        if weather.dice.chance(self.swarm.hit) {
            return self.swarm.calls.pick(&mut weather.dice);
        }
        None
    }

    /// How late something is: mostly a little, at times far past the lease.
    pub(crate) fn lateness(&self) -> Duration {
        let most = LONGEST_LEASE * 3 / 2;
        let mut weather = self.weather.lock();
        weather.dice.span(Duration::from_millis(1), most)
    }

    /// Nothing fails any more: what was under way is over, and the clock is right again.
    pub(crate) fn heal(&self) {
        self.calm.cancel();
        self.network.lock().abort_all();
        self.clock.catch_up();
    }

    pub(crate) fn unavailable(&self) -> Error {
        Error::Unavailable {
            backend: self.store.name(),
            source: Some("the simulation refused it".into()),
        }
    }

    pub(crate) fn interrupted(&self) -> Error {
        Error::Interrupted {
            backend: self.store.name(),
            source: Some("the simulation lost the answer".into()),
        }
    }
}
