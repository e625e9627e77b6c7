use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::failpoints::{self, pass};
use forebay_queue_core::{
    Capabilities, Delivery, Error, Nack, NewMessage, PublishOutcome, Queue, QueueName, Receipt,
    SettleOutcome, Timestamp,
};
use forebay_queue_engine::Refusal;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::backend::{CAPABILITIES, NAME};
use crate::shared::{Shared, State, wake_at};

/// One consumer session with a queue of the memory backend. It holds nothing back: what `receive` leases it hands out.
pub(crate) struct MemoryQueue {
    shared: Arc<Shared>,
    closed: AtomicBool,
}

impl MemoryQueue {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            closed: AtomicBool::new(false),
        }
    }

    /// One step, unless the session is closed or the queue deleted.
    fn step<T>(&self, step: impl FnOnce(&mut State, Timestamp) -> T) -> Result<T, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(self.shared.closed());
        }
        self.shared.with(|state, now| {
            if state.deleted {
                return Err(self.shared.closed());
            }
            Ok(step(state, now))
        })
    }

    /// Publishes if there is room and nobody has been waiting longer; a batch of nothing but duplicates needs neither.
    fn try_publish(
        &self,
        messages: &mut Vec<NewMessage>,
        ticket: Option<u64>,
    ) -> Result<Attempt, Error> {
        let environment = &self.shared.environment;
        let attempt = self.step(|state, now| {
            let my_turn = match ticket {
                Some(ticket) => state.publishers.is_first(ticket),
                None => state.publishers.is_empty(),
            };
            let engine = &mut state.engine;
            let answer = if my_turn {
                engine.publish(now, messages, || environment.next_id())
            } else {
                engine.answer_without_room(now, messages)
            };
            answer.map_err(|refusal| {
                // Only the first watches the time: the others cannot go before it.
                let next = match refusal {
                    _ if !my_turn => None,
                    Refusal::KeysFull { .. } => engine.next_key_end(),
                    _ => engine.next_event(),
                };
                (refusal, next, now)
            })
        })?;
        match attempt {
            Ok(outcomes) => Ok(Attempt::Published(outcomes)),
            Err((refusal, next, now)) => {
                let error = refusal.into_error(&self.shared.name);
                if error.is_full() {
                    return Ok(Attempt::Full { error, next, now });
                }
                Err(error)
            }
        }
    }
}

enum Attempt {
    Published(Vec<PublishOutcome>),
    Full {
        error: Error,
        next: Option<Timestamp>,
        now: Timestamp,
    },
}

/// A place in the line of publishers. Leaving it, also by being dropped, lets the next one look.
struct Place<'a> {
    shared: &'a Shared,
    ticket: u64,
    turn: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn join(shared: &'a Shared) -> Self {
        let (ticket, turn) = shared.with(|state, _| state.publishers.join());
        Self {
            shared,
            ticket,
            turn,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.with(|state, _| {
            state.publishers.leave(self.ticket);
            state.publishers.wake_first();
        });
    }
}

/// A receiver that has waited. When it leaves, another waiting one takes over watching the time.
struct Watch<'a>(&'a Notify);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Far enough away to be never, near enough to be a time.
fn deadline(wait: Duration) -> Instant {
    const NEVER: Duration = Duration::from_hours(24 * 365 * 30);
    Instant::now() + wait.min(NEVER)
}

#[async_trait]
impl Queue for MemoryQueue {
    fn name(&self) -> &QueueName {
        &self.shared.name
    }

    fn backend(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    fn lease(&self) -> Duration {
        self.shared.with(|state, _| state.engine.config().lease)
    }

    async fn publish(
        &self,
        mut messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        pass(failpoints::BEFORE_PUBLISH, NAME)?;
        let deadline = deadline(patience);
        let mut place: Option<Place<'_>> = None;
        loop {
            let ticket = place.as_ref().map(|p| p.ticket);
            match self.try_publish(&mut messages, ticket)? {
                Attempt::Published(outcomes) => {
                    pass(failpoints::AFTER_PUBLISH, NAME)?;
                    return Ok(outcomes);
                }
                Attempt::Full { error, next, now } => {
                    if Instant::now() >= deadline {
                        return Err(error);
                    }
                    let Some(place) = &place else {
                        place = Some(Place::join(&self.shared));
                        continue;
                    };
                    let wake = wake_at(next, now, deadline);
                    tokio::select! {
                        // In this order, not a random one, so that the same seed gives the same run.
                        biased;
                        () = place.turn.notified() => {}
                        () = sleep_until(wake) => {}
                    }
                }
            }
        }
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        if max == 0 {
            return self.step(|_, _| Vec::new());
        }
        let deadline = deadline(wait);
        let mut watch = None;
        loop {
            // Made before the look, so that a wake-up between the look and the wait is not missed.
            let woken = self.shared.receivers.notified();
            let (deliveries, next, now) = self.step(|state, now| {
                let deliveries = state.engine.receive(now, max);
                (deliveries, state.engine.next_event(), now)
            })?;
            if !deliveries.is_empty() {
                pass(failpoints::AFTER_LEASE, NAME)?;
                return Ok(deliveries);
            }
            if Instant::now() >= deadline {
                return Ok(deliveries);
            }
            watch.get_or_insert_with(|| Watch(&self.shared.receivers));
            let wake = wake_at(next, now, deadline);
            tokio::select! {
                // Woken first: a wake-up that came is used, not handed on. In a fixed order, so that the same seed
                // gives the same run.
                biased;
                () = woken => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        pass(failpoints::BEFORE_ACK, NAME)?;
        let outcomes = self.step(|state, now| state.engine.ack(now, receipts))?;
        pass(failpoints::AFTER_ACK, NAME)?;
        Ok(outcomes)
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        pass(failpoints::BEFORE_NACK, NAME)?;
        let outcomes = self.step(|state, now| state.engine.nack(now, &nacks))?;
        pass(failpoints::AFTER_NACK, NAME)?;
        Ok(outcomes)
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        pass(failpoints::BEFORE_EXTEND, NAME)?;
        self.step(|state, now| state.engine.extend(now, receipts))
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Release);
        self.shared.wake_all();
        Ok(())
    }
}
