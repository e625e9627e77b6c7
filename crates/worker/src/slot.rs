use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    BoxError, Event, Kind, MessageId, NackAction, ProcessOutcome, failpoints,
};
use futures_util::FutureExt;
use futures_util::future::Abortable;
use tokio::time::Instant;
use tower_service::Service;

use crate::buffer::{Buffer, Taken};
use crate::job::{Job, JobContext, age};
use crate::lane::Lane;
use crate::ledger::{Fetched, Key};
use crate::routes::Routes;
use crate::settlement::{Answer, Note, Settlement};
use crate::verdict::{Case, Ended, Verdict, judge};
use crate::{Backoff, JobService, Outcome};

/// One of the places where a handler runs: a task that lives as long as the worker and runs one job after the other.
pub(crate) struct Slot {
    pub(crate) index: usize,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) lanes: Arc<[Arc<Lane>]>,
    pub(crate) routes: Arc<Routes>,
    /// A service of its own for each route.
    pub(crate) services: Vec<JobService>,
    /// What jobs of each lane share.
    pub(crate) contexts: Vec<Arc<JobContext>>,
    pub(crate) pauses: Backoff,
}

/// A delivery that a slot has taken: it is handed to the settler exactly once, whatever happens to the slot.
struct Claim<'a> {
    lane: &'a Lane,
    key: Key,
    id: MessageId,
    kind: Option<Kind>,
    attempt: u32,
    started: Option<Instant>,
    handed_over: bool,
}

impl Slot {
    /// Runs until there is nothing to do and never will be.
    pub(crate) async fn run(mut self) {
        while let Some(taken) = self.buffer.next(self.index).await {
            let line = taken.line;
            let took = AssertUnwindSafe(self.take(taken)).catch_unwind().await;
            if took.is_err() {
                // Handlers are caught by themselves; this was the end of one, dropped in the middle.
                tracing::error!("a handler panicked while it was stopped");
                self.buffer.let_probe(line);
            }
            // Handlers that never wait must not keep the other tasks of this thread from running.
            tokio::task::coop::consume_budget().await;
        }
    }

    async fn take(&mut self, taken: Taken) {
        let Taken {
            line,
            fetched,
            probe,
            low,
        } = taken;
        let lanes = Arc::clone(&self.lanes);
        let lane = &*lanes[line];
        if low {
            lane.room.notify_one();
        }
        let outcome = self.process(lane, fetched, probe).await;
        if !probe {
            return;
        }
        match outcome {
            // The pause that this began goes on.
            ProcessOutcome::Unavailable | ProcessOutcome::Dead
                if self.buffer.paused_until(line).is_some() => {}
            // It tells nothing: another may try.
            ProcessOutcome::LeaseLost | ProcessOutcome::Released => {
                self.buffer.let_probe(line);
                lane.room.notify_one();
            }
            _ => self.resume(lane),
        }
    }

    fn resume(&self, lane: &Lane) {
        if self.buffer.resume(lane.index) {
            lane.room.notify_one();
            tracing::info!(queue = %lane.connection.name(), "fetching goes on after a pause");
            lane.tell(&Event::Resumed {
                source: lane.source(),
            });
        }
    }

    /// Runs one delivery, if it may run, and hands its settlement over.
    async fn process(&mut self, lane: &Lane, fetched: Fetched, probe: bool) -> ProcessOutcome {
        let Fetched {
            key,
            delivery,
            received,
            abort,
        } = fetched;
        let route = self.routes.find(delivery.message.kind());
        let (policy, attempt) = (self.routes.policy(route), delivery.attempt);
        let mut claim = Claim {
            lane,
            key,
            id: delivery.message.id(),
            kind: Some(delivery.message.kind().clone()),
            attempt,
            started: None,
            handed_over: false,
        };
        if abort.handle().is_aborted() {
            return claim.hand_over(Verdict::LOST);
        }
        if policy.is_over(attempt) {
            return claim.hand_over(Verdict::over_attempts(attempt));
        }
        let first_age = delivery.delivered_at.since(delivery.age_from);
        let ended = if let Some(index) = route {
            claim.start(&delivery, received);
            let job = Job::new(delivery, received, Arc::clone(&self.contexts[lane.index]));
            let service = &mut self.services[index];
            let timeout = self.routes.route(index).timeout;
            match Abortable::new(run(service, job, timeout), abort).await {
                Ok(ended) => ended,
                // Stopped by the keeper, or by the end of the shutdown: then the message is given back.
                Err(_) if lane.ledger.is_lost(key) => return claim.hand_over(Verdict::LOST),
                Err(_) => return claim.hand_over(Verdict::released()),
            }
        } else {
            Ended::Unknown
        };
        if let Ended::Answered(Ok(Outcome::Done)) = ended {
            return claim.hand_over(Verdict::DONE);
        }
        let case = Case {
            policy,
            attempt,
            age: first_age + received.elapsed(),
            unit_random: lane.unit_random(),
        };
        let verdict = judge(ended, case, || self.pause(lane, probe));
        claim.hand_over(verdict)
    }

    /// A handler said "unavailable": says for how long its message is given back.
    fn pause(&self, lane: &Lane, probe: bool) -> Duration {
        let unit = lane.unit_random();
        let pause = self.buffer.pause(lane.index, probe, &self.pauses, unit);
        if pause.began {
            lane.paused.notify_one();
            tracing::warn!(
                queue = %lane.connection.name(), pause = ?pause.left,
                "a handler says that something it needs is down; fetching is paused"
            );
            lane.tell(&Event::Paused {
                source: lane.source(),
                pause: pause.left,
            });
        }
        pause.left
    }
}

/// Runs a job by its service, within its time limit. A panic ends the run, not the slot.
async fn run(service: &mut JobService, job: Job, timeout: Option<Duration>) -> Ended {
    let answer = AssertUnwindSafe(serve(service, job)).catch_unwind();
    let caught = match timeout {
        None => answer.await,
        Some(limit) => match tokio::time::timeout(limit, answer).await {
            Ok(caught) => caught,
            Err(_) => return Ended::TimedOut(limit),
        },
    };
    match caught {
        Ok(answer) => Ended::Answered(answer),
        Err(payload) => Ended::Panicked(payload),
    }
}

async fn serve(service: &mut JobService, job: Job) -> Result<Outcome, BoxError> {
    let backend = job.backend();
    failpoints::pass(failpoints::BEFORE_HANDLER, backend)?;
    poll_fn(|context| service.poll_ready(context)).await?;
    let outcome = service.call(job).await;
    failpoints::pass(failpoints::AFTER_HANDLER, backend)?;
    outcome
}

impl Claim<'_> {
    fn start(&mut self, delivery: &forebay_queue_core::Delivery, received: Instant) {
        let observed = !self.lane.observers.is_empty();
        if observed || tracing::enabled!(tracing::Level::DEBUG) {
            self.started = Some(Instant::now());
        }
        if observed {
            self.lane.tell(&Event::Started {
                source: self.lane.source(),
                delivery,
                dwell: age(delivery, received),
            });
        }
    }

    fn hand_over(&mut self, verdict: Verdict) -> ProcessOutcome {
        let Verdict { answer, outcome } = verdict;
        let elapsed = self.started.map(|started| started.elapsed());
        let Some(kind) = self.kind.take() else {
            return outcome;
        };
        self.handed_over = true;
        log(self, &kind, &answer, outcome, elapsed);
        self.lane.outbox.push(Settlement {
            key: self.key,
            answer,
            note: Note {
                id: self.id,
                kind,
                attempt: self.attempt,
                outcome,
                elapsed,
            },
        });
        outcome
    }
}

impl Drop for Claim<'_> {
    /// The slot broke while it held this: the lease must not be kept alive for ever.
    fn drop(&mut self) {
        if !self.handed_over {
            self.hand_over(Verdict::LOST);
        }
    }
}

fn log(
    claim: &Claim<'_>,
    kind: &Kind,
    answer: &Answer,
    outcome: ProcessOutcome,
    elapsed: Option<Duration>,
) {
    let (queue, id, attempt) = (claim.lane.connection.name(), claim.id, claim.attempt);
    let outcome_text = outcome.as_str();
    match (outcome, answer) {
        (
            ProcessOutcome::Retry | ProcessOutcome::Reject | ProcessOutcome::Dead,
            Answer::Nack { action, cause },
        ) => {
            let after = match action {
                NackAction::Retry { after } | NackAction::Release { after } => Some(*after),
                NackAction::DeadLetter => None,
            };
            tracing::warn!(
                %queue, %id, %kind, attempt, outcome = outcome_text, ?elapsed, ?after,
                cause = cause.as_deref(), "a message failed"
            );
        }
        (ProcessOutcome::LeaseLost, _) => {
            tracing::warn!(%queue, %id, %kind, attempt, ?elapsed, "a message's lease was lost");
        }
        _ => {
            tracing::debug!(%queue, %id, %kind, attempt, outcome = outcome_text, ?elapsed, "processed");
        }
    }
}
