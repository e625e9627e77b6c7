use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::history::Mark;
use forebay_queue_core::{
    DeadLetterFilter, Error, MessageId, PageRequest, QueueName, State, Stats,
};
use forebay_worker::{Backoff, Drain};
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::process::Process;
use crate::swarm::WorkerPlan;
use crate::wire::Wire;
use crate::world::World;

/// How long a drain is watched. The checker says whether it was quick enough; this only ends a run that never drains.
const PATIENCE: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(20);
/// The number of the process that only steers.
const OPERATOR: u32 = 0;
/// The number of the first process that was not there in the trouble.
const FRESH: u32 = 900;
const MS: Duration = Duration::from_millis(1);

/// The trouble is over: lets what is scheduled come due, drains with fresh workers, stops them all and counts.
///
/// # Errors
/// What the store itself answers.
pub(crate) async fn come_to_rest(
    world: &Arc<World>,
    mut processes: Vec<Process>,
    mut dice: Dice,
) -> Result<(), Error> {
    if !world.swarm.survivors {
        for process in &mut processes {
            process.crash().await;
        }
    }
    come_due(world).await?;
    let wire = Wire::new(world, OPERATOR, false);
    for name in &world.names {
        let operator = world.backend(OPERATOR, &wire).manage(name).await?;
        operator.resume().await?;
    }
    world.history.mark(Mark::Healed);
    let mut fresh = Process::new(world, FRESH, fresh_plan(), dice.fork());
    fresh.start();
    processes.push(fresh);
    if drained(world).await? {
        world.history.mark(Mark::Drained);
    } else {
        world.fail(format!("not drained within {PATIENCE:?}"));
    }
    for process in &mut processes {
        process.check();
        process.shut_down().await;
    }
    for name in &world.names {
        let stats = stats(world, name).await?;
        let dead = dead(world, name).await?;
        world.history.mark(Mark::rest(name, &stats, dead));
    }
    Ok(())
}

fn fresh_plan() -> WorkerPlan {
    WorkerPlan {
        concurrency: 8,
        prefetch: 8,
        limit: Duration::from_secs(5),
        drain: Drain::Running,
        timeout: 500 * MS,
        pauses: Backoff::new(100 * MS, 1_000 * MS),
        all_queues: true,
    }
}

/// Lets time pass until the last delay is over.
async fn come_due(world: &World) -> Result<(), Error> {
    let now = world.environment.now();
    let mut last = now;
    for name in &world.names {
        let management = world.store.manage(name).await?;
        let first = PageRequest::first(PageRequest::MAX_LIMIT);
        let page = management.list(State::Scheduled, first).await?;
        let due = page.items.iter().filter_map(|message| message.due_at).max();
        last = last.max(due.unwrap_or(now));
    }
    let span = last.since(now);
    // What comes due within seconds is waited for like everything else.
    if span > 5_000 * MS {
        world.note(format!("everything scheduled comes due: {span:?}"));
        world.jump(span).await;
    }
    Ok(())
}

async fn drained(world: &World) -> Result<bool, Error> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut live = 0;
        for name in &world.names {
            live += stats(world, name).await?.live();
        }
        if live == 0 || Instant::now() >= end {
            return Ok(live == 0);
        }
        // tidy: sleep — a step of polling with a limit, on the paused clock
        sleep(POLL).await;
    }
}

async fn stats(world: &World, name: &QueueName) -> Result<Stats, Error> {
    world.store.manage(name).await?.stats().await
}

async fn dead(world: &World, name: &QueueName) -> Result<Vec<MessageId>, Error> {
    let management = world.store.manage(name).await?;
    let mut ids = Vec::new();
    let mut request = PageRequest::first(PageRequest::MAX_LIMIT);
    loop {
        let page = management
            .dead_letters(&DeadLetterFilter::all(), request)
            .await?;
        ids.extend(page.items.iter().map(|dead| dead.message.id()));
        match page.next {
            Some(next) => request = PageRequest::after(PageRequest::MAX_LIMIT, next),
            None => return Ok(ids),
        }
    }
}
