//! Somebody watches the time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::gate::Gate;
use crate::home::Home;

/// The longest time between two looks: another process that watched may have died.
const LONGEST: Duration = Duration::from_secs(5);
/// After a look that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// When the server has something to do for a queue: a message is due or expires, a lease may end.
///
/// Blocked readers do not know the time; a promotion wakes them. So one task of each process that reads watches it for
/// all of them, and goes on while they are busy: nobody has to hand the watch over.
pub(crate) struct Watch {
    state: Mutex<State>,
    earlier: Arc<Notify>,
}

struct State {
    next: Instant,
    is_started: bool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                next: Instant::now(),
                is_started: false,
            }),
            earlier: Arc::new(Notify::new()),
        }
    }

    /// Notes when to look next.
    pub(crate) fn learn(&self, gate: &Gate) {
        let span = Duration::from_micros(gate.next.saturating_sub(gate.now));
        self.set(Instant::now() + span.min(LONGEST));
    }

    fn set(&self, next: Instant) {
        let mut state = self.state.lock();
        let is_earlier = next < state.next;
        state.next = next;
        drop(state);
        if is_earlier {
            self.earlier.notify_one();
        }
    }

    fn next(&self) -> Instant {
        self.state.lock().next
    }

    /// Begins to watch, for as long as the queue is used here.
    pub(crate) fn start(home: &Arc<Home>) {
        let mut state = home.watch.state.lock();
        if !std::mem::replace(&mut state.is_started, true) {
            let earlier = Arc::clone(&home.watch.earlier);
            tokio::spawn(run(Arc::downgrade(home), earlier));
        }
    }
}

async fn run(home: Weak<Home>, earlier: Arc<Notify>) {
    while let Some(next) = next_of(&home) {
        if next > Instant::now() {
            tokio::select! {
                () = sleep_until(next) => {}
                () = earlier.notified() => {}
            }
            continue;
        }
        let Some(home) = home.upgrade() else { return };
        if let Err(failure) = home.pass_time().await
            && !home.repaired(&failure).await
        {
            home.watch.set(Instant::now() + PAUSE);
        }
    }
}

fn next_of(home: &Weak<Home>) -> Option<Instant> {
    let home = home.upgrade()?;
    (!home.is_ended()).then(|| home.watch.next())
}
