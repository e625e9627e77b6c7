use std::time::Duration;

use forebay_queue_core::QueueConfig;
use forebay_worker::{Backoff, Drain, RetryPolicy};

use crate::Occurrence;
use crate::dice::{Dice, Mix};

/// What one seed switches on, and how strongly: few runs have every sort of trouble, so that one does not hide another.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) queues: Vec<QueueConfig>,
    pub(crate) workers: Vec<WorkerPlan>,
    pub(crate) clients: usize,
    pub(crate) consumers: usize,
    /// How long there is trouble.
    pub(crate) trouble: Duration,
    /// The most that a client waits between two operations.
    pub(crate) pace: Duration,
    /// The most that passes between two faults of the world.
    pub(crate) unrest: Duration,
    /// How likely a call to the store is hit.
    pub(crate) hit: f64,
    /// By what.
    pub(crate) calls: Mix<Occurrence>,
    pub(crate) world: Mix<Occurrence>,
    pub(crate) endings: Mix<Occurrence>,
    pub(crate) operations: Mix<Occurrence>,
    pub(crate) messages: Mix<Occurrence>,
    pub(crate) habits: Mix<Occurrence>,
    /// How many attempts a message has.
    pub(crate) retry: RetryPolicy,
    pub(crate) max_attempts: u32,
    /// The workers that are alive when the trouble ends go on; otherwise only fresh ones do.
    pub(crate) survivors: bool,
}

/// One worker process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerPlan {
    pub(crate) concurrency: usize,
    pub(crate) prefetch: usize,
    pub(crate) limit: Duration,
    pub(crate) drain: Drain,
    /// How long a chore may take.
    pub(crate) timeout: Duration,
    pub(crate) pauses: Backoff,
    /// It serves every queue, not only the first.
    pub(crate) all_queues: bool,
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

impl Swarm {
    pub(crate) fn of(dice: &mut Dice) -> Self {
        // Some runs have no trouble at all, some have all of it.
        let share = *dice
            .one(&[0.0, 0.1, 0.3, 0.3, 0.5, 0.5, 0.5, 1.0])
            .unwrap_or(&0.5);
        let max_attempts = u32::try_from(dice.between(1, 6)).unwrap_or(6);
        let queues = dice.between(1, 2);
        let calm = share == 0.0;
        // One for all queues: the checker knows one.
        let window = dice.span(SECOND, 1440 * MINUTE);
        Self {
            queues: (0..queues).map(|_| config(dice, window)).collect(),
            workers: (0..dice.between(1, 4)).map(|_| worker(dice)).collect(),
            clients: dice.between(1, 3),
            consumers: if calm { 0 } else { dice.below(3) },
            trouble: dice.span(5 * SECOND, 2 * MINUTE),
            pace: dice.span(20 * MS, 2 * SECOND),
            unrest: dice.span(200 * MS, 10 * SECOND),
            hit: if calm { 0.0 } else { dice.rate(0.002, 0.2) },
            calls: subset(dice, share, &CALLS),
            world: subset(dice, share, &WORLD),
            endings: with(Occurrence::Done, 20, subset(dice, share, &ENDINGS)),
            operations: with(Occurrence::Publish, 20, subset(dice, 0.6, &OPERATIONS)),
            messages: with(Occurrence::Publish, 6, subset(dice, 0.6, &MESSAGES)),
            habits: with(Occurrence::ByHand, 4, subset(dice, share, &HABITS)),
            retry: RetryPolicy::default()
                .base(dice.span(10 * MS, 500 * MS))
                .cap(dice.span(100 * MS, 5 * SECOND))
                .max_attempts(max_attempts),
            max_attempts,
            survivors: dice.chance(0.5),
        }
    }
}

/// No lease is longer, whatever an update does.
pub(crate) const LONGEST_LEASE: Duration = Duration::from_secs(30);

type Part = (Occurrence, u32);

const CALLS: [Part; 8] = [
    (Occurrence::Refused, 4),
    (Occurrence::LostRequest, 4),
    (Occurrence::LostAnswer, 6),
    (Occurrence::LateRequest, 4),
    (Occurrence::LateAnswer, 4),
    (Occurrence::LateEffect, 3),
    (Occurrence::NoAnswer, 1),
    (Occurrence::PanickingCall, 1),
];

const WORLD: [Part; 11] = [
    (Occurrence::Crash, 6),
    (Occurrence::Shutdown, 4),
    (Occurrence::Stall, 4),
    (Occurrence::Freeze, 2),
    (Occurrence::ClockJump, 1),
    (Occurrence::ClockForward, 1),
    (Occurrence::ClockBack, 1),
    (Occurrence::Outage, 2),
    (Occurrence::DependencyDown, 2),
    (Occurrence::ClosedSession, 3),
    (Occurrence::Update, 2),
];

const ENDINGS: [Part; 8] = [
    (Occurrence::Failed, 4),
    (Occurrence::RetryAfter, 2),
    (Occurrence::Snoozed, 2),
    (Occurrence::Rejected, 1),
    (Occurrence::Unavailable, 1),
    (Occurrence::Panicked, 2),
    (Occurrence::TimedOut, 1),
    (Occurrence::Long, 2),
];

const OPERATIONS: [Part; 11] = [
    (Occurrence::PublishBatch, 8),
    (Occurrence::CancelId, 5),
    (Occurrence::CancelKey, 3),
    (Occurrence::Browse, 5),
    (Occurrence::Redrive, 3),
    (Occurrence::DeleteDead, 1),
    (Occurrence::Pause, 1),
    (Occurrence::Resume, 4),
    (Occurrence::Purge, 1),
    (Occurrence::Reopen, 1),
    (Occurrence::DroppedCall, 4),
];

const MESSAGES: [Part; 6] = [
    (Occurrence::RepeatedKey, 6),
    (Occurrence::Delayed, 4),
    (Occurrence::Expiring, 2),
    (Occurrence::Poison, 2),
    (Occurrence::Undecodable, 1),
    (Occurrence::UnknownKind, 1),
];

const HABITS: [Part; 3] = [
    (Occurrence::LateSettle, 3),
    (Occurrence::SettledTwice, 3),
    (Occurrence::Forgotten, 2),
];

fn subset(dice: &mut Dice, share: f64, of: &[Part]) -> Mix<Occurrence> {
    Mix::new(of.iter().copied().filter(|_| dice.chance(share)))
}

fn with(common: Occurrence, weight: u32, others: Mix<Occurrence>) -> Mix<Occurrence> {
    others.and(common, weight)
}

fn config(dice: &mut Dice, idempotency_window: Duration) -> QueueConfig {
    let mut config = QueueConfig {
        lease: dice.span(200 * MS, LONGEST_LEASE),
        capacity: dice.between(10, 400),
        idempotency_window,
        ..QueueConfig::default()
    };
    if dice.chance(0.2) {
        config.idempotency_limit = dice.between(3, 50);
    }
    if dice.chance(0.3) {
        config.retain_done = dice.span(SECOND, 60 * MINUTE);
        config.retain_done_limit = dice.between(5, 10_000);
    }
    if dice.chance(0.2) {
        config.dead_letter_limit = dice.between(1, 20);
    }
    config
}

fn worker(dice: &mut Dice) -> WorkerPlan {
    let concurrency = dice.between(1, 8);
    WorkerPlan {
        concurrency,
        prefetch: dice.below(2 * concurrency + 1),
        limit: dice.span(100 * MS, 10 * SECOND),
        drain: if dice.chance(0.3) {
            Drain::Backlog
        } else {
            Drain::Running
        },
        timeout: dice.span(50 * MS, 2 * SECOND),
        pauses: Backoff::new(dice.span(10 * MS, SECOND), dice.span(SECOND, 10 * SECOND)),
        all_queues: dice.chance(0.7),
    }
}
