use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::history::{Mark, Party};
use forebay_worker::{Connection, HandlerOptions, Report, Worker, WorkerError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chore::{Workshop, do_chore, run_errand};
use crate::dice::Dice;
use crate::swarm::WorkerPlan;
use crate::wire::Wire;
use crate::world::World;

/// A process with one worker in it, dead or alive.
pub(crate) struct Process {
    pub(crate) number: u32,
    pub(crate) plan: WorkerPlan,
    world: Arc<World>,
    wire: Arc<Wire>,
    dice: Dice,
    running: Option<Started>,
}

struct Started {
    stop: CancellationToken,
    task: JoinHandle<Result<Report, WorkerError>>,
}

impl Process {
    pub(crate) fn new(world: &Arc<World>, number: u32, plan: WorkerPlan, dice: Dice) -> Self {
        Self {
            number,
            plan,
            world: Arc::clone(world),
            wire: Wire::new(world, number, true),
            dice,
            running: None,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(crate) fn start(&mut self) {
        let party = Party::Process(self.number);
        self.world.history.mark(Mark::Restarted { party });
        let stop = CancellationToken::new();
        let workshop = Workshop::new(&self.world, self.dice.fork());
        let work = run(
            Arc::clone(&self.world),
            Arc::clone(&self.wire),
            (self.number, self.plan),
            workshop,
            stop.clone(),
        );
        let task = tokio::spawn(work);
        self.running = Some(Started { stop, task });
    }

    /// Ends at once: nothing is given back, nothing said goodbye.
    pub(crate) async fn crash(&mut self) {
        let Some(started) = self.running.take() else {
            return;
        };
        started.task.abort();
        // Cancelled, or ended just before: both are an end.
        let _ = started.task.await;
        let process = self.number;
        self.world.history.mark(Mark::Killed { process });
    }

    /// Is told to stop, and has its limit for it.
    pub(crate) async fn shut_down(&mut self) {
        let Some(started) = self.running.take() else {
            return;
        };
        let (process, limit) = (self.number, self.plan.limit);
        let world = &self.world;
        world.history.mark(Mark::ShutdownBegan { process, limit });
        let (began, jumped) = (Instant::now(), world.jumped());
        started.stop.cancel();
        let ended = started.task.await;
        // Time that passed at once was nobody's to use.
        let took = (began.elapsed() + jumped).saturating_sub(world.jumped());
        world.history.mark(Mark::ShutdownEnded {
            process,
            took,
            limit,
        });
        match ended {
            Ok(Ok(report)) => world.note(format!(
                "shutdown of {process}: {} processed, {} released, {} abandoned",
                report.processed, report.released, report.abandoned
            )),
            Ok(Err(error)) => world.fail(format!("worker {process} ended with an error: {error}")),
            Err(_) => world.fail(format!("worker {process} panicked")),
        }
    }

    /// A worker that runs must not end by itself.
    pub(crate) fn check(&self) {
        if self.running.as_ref().is_some_and(|s| s.task.is_finished()) {
            let number = self.number;
            self.world.fail(format!("worker {number} ended by itself"));
        }
    }
}

async fn run(
    world: Arc<World>,
    wire: Arc<Wire>,
    (number, plan): (u32, WorkerPlan),
    workshop: Arc<Workshop>,
    stop: CancellationToken,
) -> Result<Report, WorkerError> {
    let opened = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(Report::default()),
        opened = connect(&world, &wire, number, plan) => opened,
    };
    let mut queues = opened.into_iter();
    let Some(first) = queues.next() else {
        return Ok(Report::default());
    };
    let mut worker = Worker::new(first);
    for other in queues {
        worker = worker.queue(other, 1);
    }
    worker
        .state(workshop)
        .handle_with(do_chore, HandlerOptions::new().timeout(plan.timeout))
        .handle(run_errand)
        .retry(world.swarm.retry)
        .concurrency(plan.concurrency)
        .prefetch(plan.prefetch)
        .unavailable_backoff(plan.pauses)
        .shutdown_timeout(plan.limit)
        .drain(plan.drain)
        .run(stop)
        .await
}

/// Opens the queues; a program that cannot would be started again.
async fn connect(
    world: &Arc<World>,
    wire: &Arc<Wire>,
    number: u32,
    plan: WorkerPlan,
) -> Vec<Connection> {
    let backend = world.backend(number, wire);
    let count = if plan.all_queues {
        world.names.len()
    } else {
        1
    };
    let mut queues = Vec::new();
    while queues.len() < count {
        let opened = Connection::open(
            Arc::clone(&backend),
            world.names[queues.len()].clone(),
            None,
            world.environment.clone(),
            world.observers(number),
        );
        match opened.await {
            Ok(connection) => queues.push(connection),
            Err(_) => world.pass(Duration::from_millis(100)).await,
        }
    }
    queues
}
