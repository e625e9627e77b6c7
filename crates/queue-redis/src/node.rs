//! One server and the connections to it that everybody shares.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use redis::Value;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::call::Call;
use crate::connection::{Connection, Dialer};
use crate::endpoint::Endpoint;
use crate::failure::{Advice, Failure};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that ends sooner than that counts as a failed attempt; as the first one only, if it was of use.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Which of the shared connections.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    /// For whatever waits for nothing but its answer.
    Plain,
    /// For changes that wait for replicas or a disk: the server holds up whatever is behind them.
    Confirmed,
}

/// One server. Connects when somebody needs it, once for all who wait, and after a failure not before a pause that
/// grows.
pub(crate) struct Node {
    dialer: Arc<Dialer>,
    endpoint: Endpoint,
    lanes: [Mutex<State>; 2],
}

enum State {
    Down {
        failures: u32,
        not_before: Instant,
        last: Option<Failure>,
    },
    Dialling {
        failures: u32,
        attempt: Attempt,
    },
    Up {
        failures: u32,
        since: Instant,
        connection: Connection,
    },
}

type Attempt = Shared<BoxFuture<'static, Result<Connection, Failure>>>;

/// What there is to wait for.
enum Wait {
    Nothing(Connection),
    Attempt(Attempt),
    Pause {
        until: Instant,
        last: Option<Failure>,
    },
}

impl Node {
    pub(crate) fn new(dialer: Arc<Dialer>, endpoint: Endpoint) -> Self {
        let down = || {
            Mutex::new(State::Down {
                failures: 0,
                not_before: Instant::now(),
                last: None,
            })
        };
        Self {
            dialer,
            endpoint,
            lanes: [down(), down()],
        }
    }

    /// The shared connection. Waits for one at most for the time to connect; a refusal that will not pass by itself
    /// is told at once.
    ///
    /// # Cancel safety
    /// An attempt goes on without whoever waits for it.
    pub(crate) async fn connection(&self, lane: Lane) -> Result<Connection, Failure> {
        let deadline = Instant::now() + self.dialer.options().connect_timeout;
        loop {
            match self.wait(lane) {
                Wait::Nothing(connection) => return Ok(connection),
                Wait::Attempt(attempt) => match timeout_at(deadline, attempt).await {
                    Ok(Ok(connection)) => return Ok(connection),
                    Ok(Err(failure)) if failure.advice() == Advice::Fatal => return Err(failure),
                    Ok(Err(_)) => {}
                    Err(_) => return Err(away()),
                },
                Wait::Pause { until, last } => {
                    let failure = last.unwrap_or_else(away);
                    if until >= deadline || failure.advice() == Advice::Fatal {
                        return Err(failure);
                    }
                    sleep_until(until).await;
                }
            }
        }
    }

    /// A connection that nobody else has. It is made only while the shared one stands, so that many who want one do
    /// not storm a server that is away.
    pub(crate) async fn dedicated(&self) -> Result<Connection, Failure> {
        self.connection(Lane::Plain).await?;
        self.dialer.dial(&self.endpoint).await
    }

    /// Asks for what changes nothing: whatever goes wrong, nothing was done.
    pub(crate) async fn look(
        &self,
        calls: &[&Call],
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let connection = self.connection(Lane::Plain).await?;
        let patience = self.dialer.options().connect_timeout;
        let answers = connection.exchange(calls, None, patience).await;
        let answers = answers.map_err(|failure| {
            self.retire(&connection);
            failure.of_look()
        })?;
        let answers = answers.into_iter();
        Ok(answers
            .map(|answer| answer.map_err(Failure::of_look))
            .collect())
    }

    /// Takes a connection out of use. Whoever still waits on it goes on waiting.
    pub(crate) fn retire(&self, connection: &Connection) {
        for lane in &self.lanes {
            let mut state = lane.lock();
            state.settle();
            if let State::Up { connection: up, .. } = &*state
                && up.is(connection)
            {
                state.fall();
            }
        }
    }

    fn wait(&self, lane: Lane) -> Wait {
        let mut state = self.lanes[lane as usize].lock();
        state.settle();
        let failures = match &*state {
            State::Up { connection, .. } => return Wait::Nothing(connection.clone()),
            State::Dialling { attempt, .. } => return Wait::Attempt(attempt.clone()),
            State::Down {
                not_before, last, ..
            } if *not_before > Instant::now() => {
                return Wait::Pause {
                    until: *not_before,
                    last: last.clone(),
                };
            }
            State::Down { failures, .. } => *failures,
        };
        let attempt = self.attempt();
        *state = State::Dialling {
            failures,
            attempt: attempt.clone(),
        };
        Wait::Attempt(attempt)
    }

    fn attempt(&self) -> Attempt {
        let (dialer, endpoint) = (self.dialer.clone(), self.endpoint.clone());
        let task = tokio::spawn(async move { dialer.dial(&endpoint).await });
        let attempt = async { task.await.unwrap_or_else(|_| Err(away())) };
        attempt.boxed().shared()
    }
}

impl State {
    /// Notices how an attempt ended and that a connection is over.
    fn settle(&mut self) {
        match self {
            Self::Dialling { failures, attempt } => {
                let failures = *failures;
                // Polling it once is enough: the task runs by itself.
                let Some(ended) = attempt.clone().now_or_never() else {
                    return;
                };
                *self = match ended {
                    Ok(connection) => Self::Up {
                        failures,
                        since: Instant::now(),
                        connection,
                    },
                    Err(failure) => Self::down(failures + 1, Some(failure)),
                };
                self.settle();
            }
            Self::Up { connection, .. } if connection.is_over() => self.fall(),
            Self::Up { .. } | Self::Down { .. } => {}
        }
    }

    /// From up to down.
    fn fall(&mut self) {
        if let Self::Up {
            failures,
            since,
            connection,
        } = self
        {
            let is_short = since.elapsed() < SHORT_LIFE;
            let failures = match (is_short, connection.has_served()) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => *failures + 1,
            };
            *self = Self::down(failures, None);
        }
    }

    fn down(failures: u32, last: Option<Failure>) -> Self {
        Self::Down {
            failures,
            not_before: Instant::now() + pause(failures),
            last,
        }
    }
}

/// Doubles, up to a limit, less up to half by chance, so that many clients do not come back at once.
fn pause(failures: u32) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(16));
    doubled
        .min(LONGEST_PAUSE)
        .mul_f64(1.0 - fastrand::f64() / 2.0)
}

fn away() -> Failure {
    let text = "the server cannot be reached";
    Failure::not_done(Advice::Reconnect, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_differ() {
        assert_eq!(pause(0), Duration::ZERO);
        for failures in 1..100 {
            let longest = LONGEST_PAUSE.min(FIRST_PAUSE * (1 << (failures - 1).min(16)));
            let found = pause(failures);
            assert!(
                found <= longest && found >= longest / 2,
                "{failures}: {found:?}"
            );
        }
        let some: Vec<_> = (0..20).map(|_| pause(50)).collect();
        assert!(some.iter().any(|pause| *pause != some[0]));
    }
}
