use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
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
use crate::turn::pass_turn;
use crate::verdict::{Case, Ended, Verdict, judge};
use crate::{Backoff, JobService, Outcome};

/// The most jobs that a slot takes at once.
const MOST_IN_HAND: usize = 32;
/// How long a slot keeps what it has in its hand from others, and finished work from the settler.
const QUICK: Duration = Duration::from_millis(1);

/// One of the places where a handler runs: a task that lives as long as the worker and runs one job after the other.
///
/// Handlers that never wait and take microseconds spend less time than it takes to hand a job over. So a slot takes twice
/// as many jobs at once as before, as long as all of them were quick; what it has in its hand when one is not, goes back to
/// the buffer before anything is waited for, and it takes one at a time again.
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

/// What a slot has taken and not started, and what it has finished and not handed over. Both are empty whenever the slot
/// waits.
#[derive(Default)]
struct Hand {
    fetched: VecDeque<Fetched>,
    settled: Vec<Settlement>,
    /// Something in it took its time.
    slow: bool,
}

/// A delivery that a slot has taken: it is settled exactly once, whatever happens to the slot.
struct Claim<'a> {
    lane: &'a Lane,
    key: Key,
    id: MessageId,
    kind: Option<Kind>,
    attempt: u32,
    started: Option<Instant>,
}

impl Slot {
    /// Runs until there is nothing to do and never will be.
    pub(crate) async fn run(mut self) {
        let mut hand = Hand::default();
        let mut most = 1;
        while let Some(taken) = self.buffer.next(self.index, most, &mut hand.fetched).await {
            let lanes = Arc::clone(&self.lanes);
            let lane = &*lanes[taken.line];
            if taken.low {
                lane.room.notify_one();
            }
            self.play(lane, taken, &mut hand).await;
            let others = hand.put_down(lane, &self.buffer) || taken.low;
            most = if std::mem::take(&mut hand.slow) {
                1
            } else {
                (most * 2).min(MOST_IN_HAND)
            };
            // Handlers that never wait must not keep the other tasks of this thread from running, above all those that
            // were just woken: without them there is soon nothing left to run.
            if others {
                pass_turn().await;
            } else {
                tokio::task::coop::consume_budget().await;
            }
        }
    }

    /// Runs what is in the hand, one after the other, until one of them takes its time.
    async fn play(&mut self, lane: &Lane, taken: Taken, hand: &mut Hand) {
        let run = AssertUnwindSafe(self.play_all(lane, taken.probe, hand));
        if run.catch_unwind().await.is_err() {
            // Handlers are caught by themselves; this was the end of one, dropped in the middle.
            tracing::error!("a handler panicked while it was stopped");
            self.buffer.let_probe(lane.index);
            hand.slow = true;
        }
    }

    async fn play_all(&mut self, lane: &Lane, probe: bool, hand: &mut Hand) {
        let begun = Instant::now();
        while !hand.fetched.is_empty() {
            self.play_one(lane, probe, hand).await;
            // The clock is looked at now and then: a look costs a tenth of what a quick job does.
            let look = hand.fetched.len().is_multiple_of(4);
            hand.slow |= look && begun.elapsed() > QUICK;
            if hand.slow {
                return;
            }
        }
    }

    async fn play_one(&mut self, lane: &Lane, probe: bool, hand: &mut Hand) {
        let outcome = self.process(lane, probe, hand).await;
        hand.slow |= outcome != ProcessOutcome::Done;
        if !probe {
            return;
        }
        match outcome {
            // The pause that this began goes on.
            ProcessOutcome::Unavailable | ProcessOutcome::Dead
                if self.buffer.paused_until(lane.index).is_some() => {}
            // It tells nothing: another may try.
            ProcessOutcome::LeaseLost | ProcessOutcome::Released => {
                self.buffer.let_probe(lane.index);
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

    /// Runs the next delivery in the hand, if it may run, and settles it.
    async fn process(&mut self, lane: &Lane, probe: bool, hand: &mut Hand) -> ProcessOutcome {
        // Taken out here, not handed in: a future would carry it about as an argument, and copy it for each quick job.
        let Some(Fetched {
            key,
            delivery,
            received,
        }) = hand.fetched.pop_front()
        else {
            return ProcessOutcome::Done;
        };
        let message = &delivery.message;
        let route = self.routes.find(message.kind());
        let (policy, attempt) = (self.routes.policy(route), delivery.attempt);
        let mut claim = Claim {
            lane,
            key,
            id: message.id(),
            kind: Some(message.kind().clone()),
            attempt,
            started: None,
        };
        if lane.ledger.is_lost(key) {
            return claim.settle(Verdict::LOST, hand);
        }
        if policy.is_over(attempt) {
            return claim.settle(Verdict::over_attempts(attempt), hand);
        }
        let first_age = delivery.delivered_at.since(delivery.age_from);
        let ended = if let Some(index) = route {
            claim.start(&delivery, received);
            let context = Arc::clone(&self.contexts[lane.index]);
            let mut job = Some(Job::new(delivery, received, context));
            let service = &mut self.services[index];
            let timeout = self.routes.route(index).timeout;
            let mut run = pin!(run(service, &mut job, timeout));
            match poll_fn(|context| Poll::Ready(run.as_mut().poll(context))).await {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    hand.slow = true;
                    hand.put_down(lane, &self.buffer);
                    match Abortable::new(run, lane.ledger.watch(key)).await {
                        Ok(ended) => ended,
                        // Stopped by the keeper, or by the end of the shutdown: then the message is given back.
                        Err(_) if lane.ledger.is_lost(key) => {
                            return claim.settle(Verdict::LOST, hand);
                        }
                        Err(_) => return claim.settle(Verdict::released(), hand),
                    }
                }
            }
        } else {
            Ended::Unknown
        };
        if let Ended::Answered(Ok(Outcome::Done)) = ended {
            return claim.settle(Verdict::DONE, hand);
        }
        let case = Case {
            policy,
            attempt,
            age: first_age + received.elapsed(),
            unit_random: lane.unit_random(),
        };
        let verdict = judge(ended, case, || self.pause(lane, probe));
        claim.settle(verdict, hand)
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
async fn run(service: &mut JobService, job: &mut Option<Job>, timeout: Option<Duration>) -> Ended {
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

async fn serve(service: &mut JobService, job: &mut Option<Job>) -> Result<Outcome, BoxError> {
    let backend = job.as_ref().map_or("", Job::backend);
    failpoints::pass(failpoints::BEFORE_HANDLER, backend)?;
    poll_fn(|context| service.poll_ready(context)).await?;
    let job = job.take().expect("a job is served once");
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

    fn settle(mut self, verdict: Verdict, hand: &mut Hand) -> ProcessOutcome {
        let outcome = verdict.outcome;
        hand.settled.extend(self.settlement(verdict));
        outcome
    }

    /// Once; then there is nothing left to settle.
    fn settlement(&mut self, verdict: Verdict) -> Option<Settlement> {
        let Verdict { answer, outcome } = verdict;
        let elapsed = self.started.map(|started| started.elapsed());
        let kind = self.kind.take()?;
        log(self, &kind, &answer, outcome, elapsed);
        Some(Settlement {
            key: self.key,
            answer,
            note: Note {
                id: self.id,
                kind,
                attempt: self.attempt,
                outcome,
                elapsed,
            },
        })
    }
}

impl Drop for Claim<'_> {
    /// The slot broke while it held this: the lease must not be kept alive for ever.
    fn drop(&mut self) {
        if let Some(settlement) = self.settlement(Verdict::LOST) {
            self.lane.outbox.push(&mut vec![settlement]);
        }
    }
}

impl Hand {
    /// Hands over what is finished, and gives back what was not started. Says whether the settler was woken for it.
    fn put_down(&mut self, lane: &Lane, buffer: &Buffer) -> bool {
        if !self.fetched.is_empty() {
            buffer.give_back(lane.index, &mut self.fetched);
            // The worker is ending: nothing starts any more.
            let left = self.fetched.drain(..);
            self.settled
                .extend(left.map(|fetched| Settlement::released(&fetched)));
        }
        lane.outbox.push(&mut self.settled)
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
