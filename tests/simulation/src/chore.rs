use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use forebay_worker::{Failure, State, Task};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::Occurrence;
use crate::dice::Dice;
use crate::world::World;

/// A task with a time limit.
#[derive(Serialize, Deserialize)]
pub(crate) struct Chore {
    pub(crate) number: u64,
    pub(crate) nature: Nature,
}

/// A task that may take as long as it likes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) number: u64,
    pub(crate) nature: Nature,
}

impl Task for Chore {
    const KIND: &'static str = "chore";
}

impl Task for Errand {
    const KIND: &'static str = "errand";
}

/// A kind that no worker knows.
pub(crate) const UNKNOWN_KIND: &str = "riddle";

/// How a message behaves.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Each attempt ends as the dice fall, as long as there is trouble.
    Moody,
    /// Each attempt fails.
    Failing,
    /// Each attempt panics.
    Panicking,
    /// No attempt comes to an end: a chore runs into its limit, an errand fails after a while.
    Endless,
}

/// Where handlers get what they need.
pub(crate) struct Workshop {
    world: Arc<World>,
    dice: Mutex<Dice>,
}

/// Says so when a handler is dropped before its end.
struct Watched<'a> {
    world: &'a World,
    ended: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.world.saw(Occurrence::Cut);
        }
    }
}

pub(crate) async fn do_chore(
    chore: Chore,
    State(workshop): State<Arc<Workshop>>,
) -> Result<(), Failure> {
    workshop.work(chore.nature, true).await
}

pub(crate) async fn run_errand(
    errand: Errand,
    State(workshop): State<Arc<Workshop>>,
) -> Result<(), Failure> {
    workshop.work(errand.nature, false).await
}

impl Workshop {
    pub(crate) fn new(world: &Arc<World>, dice: Dice) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            dice: Mutex::new(dice),
        })
    }

    async fn work(&self, nature: Nature, limited: bool) -> Result<(), Failure> {
        let mut watched = Watched {
            world: &self.world,
            ended: false,
        };
        let ending = match nature {
            Nature::Moody => self.ending(limited),
            Nature::Panicking => Occurrence::Panicked,
            Nature::Endless if limited => Occurrence::TimedOut,
            Nature::Failing | Nature::Endless => Occurrence::Failed,
        };
        self.world.saw(ending);
        let (work, after) = {
            let mut dice = self.dice.lock();
            let most = Duration::from_millis(if self.world.is_calm() { 2 } else { 200 });
            (
                dice.span(Duration::from_micros(1), most),
                dice.span(most, most * 20),
            )
        };
        self.world.pass(work).await;
        if ending == Occurrence::Long {
            self.world.pass(self.world.lateness()).await;
        }
        if ending == Occurrence::TimedOut {
            std::future::pending::<()>().await;
        }
        watched.ended = true;
        match ending {
            Occurrence::Failed => Err(Failure::retry("it failed")),
            Occurrence::RetryAfter => Err(Failure::retry_after("not yet", after)),
            Occurrence::Snoozed => Err(Failure::snooze(after)),
            Occurrence::Rejected => Err(Failure::reject("it never will be done")),
            Occurrence::Unavailable => Err(Failure::unavailable("something is down")),
            // Without the hook: the panic is part of the plan.
            Occurrence::Panicked => resume_unwind(Box::new("it panicked")),
            _ => Ok(()),
        }
    }

    fn ending(&self, limited: bool) -> Occurrence {
        if self.world.is_calm() {
            return Occurrence::Done;
        }
        if self.world.is_dependency_down() {
            return Occurrence::Unavailable;
        }
        let ending = self.world.swarm.endings.pick(&mut self.dice.lock());
        match ending {
            // Without a limit it would never end.
            Some(Occurrence::TimedOut) if !limited => Occurrence::Failed,
            other => other.unwrap_or(Occurrence::Done),
        }
    }
}
