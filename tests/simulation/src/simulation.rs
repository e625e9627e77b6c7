use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use forebay_queue_conformance::checker::{Attempts, Checker, Invariant, Report, Rules};
use forebay_queue_conformance::history::{Mark, Record};
use forebay_queue_core::{Backend, Error};
use tokio::task::JoinSet;

use crate::Tally;
use crate::client::{Client, Known};
use crate::conductor::Conductor;
use crate::consumer::Consumer;
use crate::dice::Dice;
use crate::process::Process;
use crate::rest::come_to_rest;
use crate::swarm::{LONGEST_LEASE, Swarm};
use crate::world::{World, Wrap};

/// One seed's world, from its start to its rest.
#[derive(Clone)]
pub struct Simulation {
    seed: u64,
    wrap: Option<Wrap>,
}

/// What one seed came to.
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// What happened how often.
    pub tally: Tally,
    /// What the checker says.
    pub report: Report,
    /// What else went wrong.
    pub failures: Vec<String>,
    records: Vec<Record>,
}

/// The first numbers of each sort of process.
const CLIENTS: u32 = 1;
const CONSUMERS: u32 = 100;
const WORKERS: u32 = 200;
/// A client that does not come to an end by then hangs.
const FAREWELL: Duration = Duration::from_mins(5);

impl Simulation {
    /// The world of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, wrap: None }
    }

    /// Puts something around the store: a test that breaks it, to see that this is noticed.
    #[must_use]
    pub fn wrap(
        mut self,
        wrap: impl Fn(Arc<dyn Backend>) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        self.wrap = Some(Arc::new(wrap));
        self
    }

    /// Runs it on this thread. The same seed gives the same run.
    ///
    /// # Errors
    /// When there is no runtime to be had, or the store refused what no fault touches.
    ///
    /// # Panics
    /// Within a tokio runtime.
    pub fn run(&self) -> anyhow::Result<Run> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .context("no runtime")?;
        let world = runtime.block_on(self.live())?;
        let records = world.history.take();
        let report = Checker::new(rules(&world.swarm)).check(&records);
        let tally = Tally::default();
        tally.add(&world.tally);
        Ok(Run {
            seed: self.seed,
            tally,
            report,
            failures: world.failures(),
            records,
        })
    }

    async fn live(&self) -> Result<Arc<World>, Error> {
        let mut dice = Dice::new(self.seed);
        let swarm = Swarm::of(&mut dice);
        let world = World::new(&mut dice, swarm, self.wrap.as_ref());
        for (name, config) in world.names.iter().zip(&world.swarm.queues) {
            world.store.create(name, config).await?;
            world.history.mark(Mark::Lease {
                queue: name.clone(),
                lease: config.lease,
            });
        }
        let mut people = JoinSet::new();
        let known = Arc::new(Known::default());
        for number in (CLIENTS..).take(world.swarm.clients) {
            people.spawn(Client::new(&world, number, &known, dice.fork()).run());
        }
        for number in (CONSUMERS..).take(world.swarm.consumers) {
            people.spawn(Consumer::new(&world, number, dice.fork()).run());
        }
        let mut processes = Vec::new();
        for (number, plan) in (WORKERS..).zip(&world.swarm.workers) {
            let mut process = Process::new(&world, number, *plan, dice.fork());
            process.start();
            processes.push(process);
        }
        let mut conductor = Conductor::new(&world, processes, dice.fork());
        conductor.trouble().await?;
        world.heal();
        farewell(&world, &mut people).await;
        come_to_rest(&world, conductor.processes, dice.fork()).await?;
        Ok(world)
    }
}

/// Waits until the clients and consumers have gone.
async fn farewell(world: &World, people: &mut JoinSet<()>) {
    let all = async {
        while let Some(ended) = people.join_next().await {
            if let Err(error) = ended {
                world.fail(format!("a client broke: {error}"));
            }
        }
    };
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        world.fail("a client's call never ended".to_owned());
    }
}

fn rules(swarm: &Swarm) -> Rules {
    let most = |of: fn(&crate::swarm::WorkerPlan) -> usize| {
        let most = swarm.workers.iter().map(of).max().unwrap_or(0).max(8);
        u32::try_from(most * swarm.queues.len()).unwrap_or(u32::MAX)
    };
    Rules {
        concurrency: most(|worker| worker.concurrency),
        prefetch: most(|worker| worker.prefetch),
        max_attempts: Attempts {
            // Consumers by hand know no maximum.
            default: (swarm.consumers == 0).then_some(swarm.max_attempts),
            ..Attempts::default()
        },
        max_age: true,
        lease: LONGEST_LEASE,
        window: swarm.queues[0].idempotency_window,
        ..Rules::default()
    }
}

impl Run {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.report.is_clean() && self.failures.is_empty()
    }

    /// Which invariants are broken.
    pub fn broken(&self) -> std::collections::BTreeSet<Invariant> {
        self.report.broken()
    }

    /// Everything that happened, one line each.
    pub fn trace(&self) -> String {
        self.records
            .iter()
            .map(|record| record.to_line() + "\n")
            .collect()
    }

    /// The last lines of the trace.
    pub fn tail(&self, lines: usize) -> String {
        let start = self.records.len().saturating_sub(lines);
        self.records[start..]
            .iter()
            .map(|record| record.to_line() + "\n")
            .collect()
    }

    /// How many lines the trace has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing happened at all.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl fmt::Display for Run {
    /// What is wrong, the end of the trace, and how to see it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TAIL: usize = 40;
        writeln!(f, "seed {}", self.seed)?;
        for failure in &self.failures {
            writeln!(f, "wrong: {failure}")?;
        }
        if !self.report.is_clean() {
            writeln!(f, "{}", self.report)?;
        }
        writeln!(f, "the last {TAIL} of {} lines of its trace:", self.len())?;
        f.write_str(&self.tail(TAIL))?;
        writeln!(
            f,
            "to see it again: cargo xtask simulate --seed {}",
            self.seed
        )
    }
}
