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
/// Between two looks at the least.
const BREATH: Duration = Duration::from_millis(1);

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
    /// The server's time, in microseconds, when that was so.
    as_of: u64,
    is_started: bool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                next: Instant::now(),
                as_of: 0,
                is_started: false,
            }),
            earlier: Arc::new(Notify::new()),
        }
    }

    /// Notes when to look next; answers whether this is news.
    ///
    /// Gates come over several connections: an older one that arrives late must not hide what a newer one has told.
    pub(crate) fn learn(&self, gate: &Gate) -> bool {
        let mut state = self.state.lock();
        let age = Duration::from_micros(state.as_of.saturating_sub(gate.now));
        // Older than that it is a clock that was set back.
        if !age.is_zero() && age < LONGEST {
            return false;
        }
        state.as_of = gate.now;
        let span = Duration::from_micros(gate.next.saturating_sub(gate.now));
        self.plan(&mut state, Instant::now() + span.min(LONGEST));
        true
    }

    fn set(&self, next: Instant) {
        self.plan(&mut self.state.lock(), next);
    }

    fn plan(&self, state: &mut State, next: Instant) {
        if next < state.next {
            self.earlier.notify_one();
        }
        state.next = next;
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
        } else if home.watch.next() <= Instant::now() {
            // There is more to do, or a newer look is on its way.
            sleep_until(Instant::now() + BREATH).await;
        }
    }
}

fn next_of(home: &Weak<Home>) -> Option<Instant> {
    let home = home.upgrade()?;
    (!home.is_ended()).then(|| home.watch.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_older_look_that_arrives_late_hides_nothing() {
        let look = |now, next| Gate {
            now,
            lease: 0,
            next,
            lost: 0,
            dropped: 0,
            epoch: 0,
        };
        let watch = Watch::new();
        let begin = Instant::now();
        assert!(watch.learn(&look(10_000_000, 10_020_000)));
        assert!(!watch.learn(&look(9_999_000, 99_000_000)));
        assert_eq!(watch.next(), begin + Duration::from_millis(20));
        watch.learn(&look(10_000_001, 99_000_000));
        assert_eq!(watch.next(), begin + LONGEST);
        // The server's clock was set back.
        watch.learn(&look(1_000_000, 1_030_000));
        assert_eq!(watch.next(), begin + Duration::from_millis(30));
    }
}
