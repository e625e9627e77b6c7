use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::history::Mark;
use forebay_queue_core::{Error, QueueConfig, QueueName};
use tokio::time::Instant;

use crate::Occurrence;
use crate::dice::Dice;
use crate::process::Process;
use crate::swarm::LONGEST_LEASE;
use crate::world::World;

/// Makes the trouble of the world: a plan from the seed, carried out one fault after the other.
pub(crate) struct Conductor {
    pub(crate) processes: Vec<Process>,
    world: Arc<World>,
    dice: Dice,
}

/// A fault at a definite time after the start.
struct Planned {
    at: Duration,
    fault: Occurrence,
}

/// More faults than this and nothing else happens.
const MOST_FAULTS: usize = 60;
const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_mins(1);

impl Conductor {
    pub(crate) fn new(world: &Arc<World>, processes: Vec<Process>, dice: Dice) -> Self {
        Self {
            processes,
            world: Arc::clone(world),
            dice,
        }
    }

    /// Carries the plan out, and lets the rest of the time of trouble pass.
    ///
    /// # Errors
    /// What the store itself answers, which no fault touches.
    pub(crate) async fn trouble(&mut self) -> Result<(), Error> {
        let plan = self.plan();
        for Planned { fault, .. } in &plan {
            let fault = fault.as_str().to_owned();
            self.world.history.mark(Mark::FaultPlanned { fault });
        }
        let start = Instant::now();
        for Planned { at, fault } in plan {
            self.world.pass_until(start + at).await;
            self.restart_some();
            self.strike(fault).await?;
            self.world.saw(fault);
            let fault = fault.as_str().to_owned();
            self.world.history.mark(Mark::FaultFired { fault });
            self.processes.iter().for_each(Process::check);
        }
        self.world
            .pass_until(start + self.world.swarm.trouble)
            .await;
        Ok(())
    }

    fn plan(&mut self) -> Vec<Planned> {
        let swarm = &self.world.swarm;
        let mut plan = Vec::new();
        let mut at = Duration::ZERO;
        while plan.len() < MOST_FAULTS {
            at += self.dice.span(MS, swarm.unrest);
            let Some(fault) = swarm.world.pick(&mut self.dice) else {
                break;
            };
            if at > swarm.trouble {
                break;
            }
            plan.push(Planned { at, fault });
        }
        plan
    }

    /// Somebody starts what has ended, sooner or later.
    fn restart_some(&mut self) {
        for process in &mut self.processes {
            if !process.is_running() && self.dice.chance(0.5) {
                self.world.tell(Occurrence::Restart, process.number);
                process.start();
            }
        }
    }

    /// A process that runs.
    fn victim(&mut self) -> &mut Process {
        let place = self.dice.below(self.processes.len());
        let victim = &mut self.processes[place];
        if !victim.is_running() {
            self.world.tell(Occurrence::Restart, victim.number);
            victim.start();
        }
        victim
    }

    async fn strike(&mut self, fault: Occurrence) -> Result<(), Error> {
        let world = Arc::clone(&self.world);
        let leases = self.dice.span(LONGEST_LEASE / 100, LONGEST_LEASE * 2);
        match fault {
            Occurrence::Crash => self.victim().crash().await,
            Occurrence::Shutdown => self.victim().shut_down().await,
            Occurrence::Stall => self.victim().wire().stall(leases),
            Occurrence::ClosedSession => {
                let closed = self.victim().wire().close_sessions().await;
                world.note(format!("{closed} sessions closed"));
            }
            Occurrence::Freeze => world.jump(leases).await,
            Occurrence::ClockJump => {
                let span = self.dice.span(MINUTE, 180 * MINUTE);
                world.jump(span).await;
            }
            Occurrence::ClockForward => {
                let span = self.dice.span(100 * MS, 10 * MINUTE);
                world.clock.forward(span);
            }
            Occurrence::ClockBack => {
                // So that all queues have seen the same time: from there on it stands still.
                for name in &world.names {
                    world.store.manage(name).await?.stats().await?;
                }
                let span = self.dice.span(100 * MS, MINUTE);
                world.clock.back(span);
            }
            Occurrence::Outage => {
                let sorts = [
                    Occurrence::Refused,
                    Occurrence::LostRequest,
                    Occurrence::LostAnswer,
                    Occurrence::NoAnswer,
                ];
                let sort = *self.dice.one(&sorts).unwrap_or(&Occurrence::Refused);
                world.begin_outage(leases / 2, sort);
            }
            Occurrence::DependencyDown => world.take_dependency_down(leases / 2),
            _ => self.update().await?,
        }
        Ok(())
    }

    /// Changes what may change while a queue is at work.
    async fn update(&mut self) -> Result<(), Error> {
        let place = self.dice.below(self.world.names.len());
        let name = self.world.names[place].clone();
        let mut config = self.world.store.config(&name).await?;
        match self.dice.below(3) {
            0 => config.lease = self.dice.span(200 * MS, LONGEST_LEASE),
            1 => config.capacity = self.dice.between(5, 400),
            _ => config.dead_letter_limit = self.dice.between(1, 100),
        }
        configure(&self.world, &name, &config).await
    }
}

/// Changes a queue, and tells the history.
async fn configure(world: &World, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
    world.store.update(name, config).await?;
    world.history.mark(Mark::Lease {
        queue: name.clone(),
        lease: config.lease,
    });
    Ok(())
}
