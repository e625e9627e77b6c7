use std::time::Duration;

use forebay_queue_core::{Environment, Error, QueueName, Timestamp};
use forebay_queue_engine::Engine;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::line::Line;

/// One queue, shared by all its sessions.
///
/// The lock is never held across an await. Whoever changes something under it says afterwards who may go on
/// ([`Shared::with`]), so no caller can forget to wake somebody.
pub(crate) struct Shared {
    pub(crate) name: QueueName,
    pub(crate) environment: Environment,
    state: Mutex<State>,
    /// Wakes one waiting receiver, the one that has waited longest. A receiver that is dropped after it was
    /// woken passes the wake-up on; that is what `Notify` promises.
    pub(crate) receivers: Notify,
}

pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) publishers: Line,
    pub(crate) deleted: bool,
    /// When the next thing was due, as waiting receivers know it.
    armed: Option<Timestamp>,
    dropped: u64,
}

impl Shared {
    pub(crate) fn new(name: QueueName, engine: Engine, environment: Environment) -> Self {
        Self {
            name,
            environment,
            state: Mutex::new(State {
                engine,
                publishers: Line::default(),
                deleted: false,
                armed: None,
                dropped: 0,
            }),
            receivers: Notify::new(),
        }
    }

    /// One step under the lock, at the time it is now. Afterwards wakes a receiver if there is something to hand
    /// out or something is due earlier than the waiting ones know, and the first publisher if there is more room.
    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let mut state = self.state.lock();
        // Read under the lock, so that no step sees an earlier time than the one before it.
        let now = self.environment.now();
        let room = state.engine.room();
        let answer = step(&mut state, now);
        let has_ready = state.engine.has_ready();
        let next = state.engine.next_event();
        let earlier = match (next, state.armed) {
            (Some(next), Some(armed)) => next < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        state.armed = next;
        // More room than before, not some room: the first may wait for more than there is, and its own look must
        // not wake it again.
        if state.engine.room() > room || earlier {
            state.publishers.wake_first();
        }
        let dropped = state.engine.dead_letters_dropped() - state.dropped;
        state.dropped += dropped;
        drop(state);
        if has_ready || earlier {
            self.receivers.notify_one();
        }
        if dropped > 0 {
            let queue = self.name.as_str();
            tracing::warn!(
                queue,
                dropped,
                "too many dead letters: the oldest were dropped"
            );
        }
        answer
    }

    /// Everyone who waits looks again: a session was closed or the queue deleted.
    pub(crate) fn wake_all(&self) {
        self.state.lock().publishers.wake_all();
        self.receivers.notify_waiters();
    }

    pub(crate) fn closed(&self) -> Error {
        Error::Closed {
            queue: self.name.clone(),
        }
    }
}

/// When to look again: at the deadline, or before if something is due before.
pub(crate) fn wake_at(next: Option<Timestamp>, now: Timestamp, deadline: Instant) -> Instant {
    // Never in the past by rounding: a timer that fires just before the time would only spin.
    let due = next.map(|at| Instant::now() + at.since(now).max(Duration::from_micros(1)));
    due.map_or(deadline, |due| due.min(deadline))
}
