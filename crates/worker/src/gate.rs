use std::time::Duration;

use tokio::time::Instant;

use crate::Backoff;

/// Whether jobs of one queue may start. A handler that says "unavailable" shuts it; after a pause one job may try,
/// and opens it or shuts it for longer.
#[derive(Debug, Default)]
pub(crate) enum Gate {
    #[default]
    Open,
    Paused {
        streak: u32,
        until: Instant,
    },
    Probing {
        permit: bool,
        streak: u32,
    },
}

/// What came of one "unavailable".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// For how long the message is given back.
    pub(crate) left: Duration,
    /// Whether a pause began, rather than one going on.
    pub(crate) began: bool,
}

impl Gate {
    pub(crate) fn pause(
        &mut self,
        probe: bool,
        backoff: &Backoff,
        unit_random: f64,
        now: Instant,
    ) -> Pause {
        let streak = match *self {
            Self::Open => 1,
            Self::Probing { streak, .. } if probe => streak.saturating_add(1),
            // Started before the pause: it knows nothing new.
            Self::Paused { until, .. } => {
                let left = until.saturating_duration_since(now);
                return Pause { left, began: false };
            }
            Self::Probing { streak, .. } => {
                let left = backoff.delay(streak, unit_random);
                return Pause { left, began: false };
            }
        };
        let left = backoff.delay(streak, unit_random);
        *self = Self::Paused {
            streak,
            until: now + left,
        };
        Pause { left, began: true }
    }

    pub(crate) const fn paused_until(&self) -> Option<Instant> {
        match self {
            Self::Paused { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// One job may try, if the pause is over.
    pub(crate) fn let_probe(&mut self, now: Instant) {
        let streak = match *self {
            Self::Paused { streak, until } if until <= now => streak,
            // The probe told nothing.
            Self::Probing { streak, .. } => streak,
            Self::Paused { .. } | Self::Open => return,
        };
        *self = Self::Probing {
            permit: true,
            streak,
        };
    }

    /// The one job has started.
    pub(crate) fn probing(&mut self) {
        if let Self::Probing { permit, .. } = self {
            *permit = false;
        }
    }

    /// Opens it; says whether it was shut.
    pub(crate) fn resume(&mut self) -> bool {
        let was_shut = !matches!(self, Self::Open);
        *self = Self::Open;
        was_shut
    }

    pub(crate) const fn lets_through(&self) -> bool {
        matches!(self, Self::Open | Self::Probing { permit: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));

    #[test]
    fn only_the_probe_decides_about_a_shut_gate() {
        let now = Instant::now();
        let mut gate = Gate::default();
        let first = gate.pause(false, &BACKOFF, 1.0, now);
        assert_eq!(first.left, Duration::from_millis(100));
        assert!(first.began && !gate.lets_through());
        let second = gate.pause(false, &BACKOFF, 1.0, now + Duration::from_millis(40));
        assert_eq!(second.left, Duration::from_millis(60));
        assert!(!second.began);
        gate.let_probe(now);
        assert!(!gate.lets_through(), "the pause is not over");
        gate.let_probe(now + Duration::from_millis(100));
        assert!(gate.lets_through());
        gate.probing();
        assert!(!gate.lets_through());
        assert!(!gate.pause(false, &BACKOFF, 1.0, now).began);
        let longer = gate.pause(true, &BACKOFF, 1.0, now);
        assert_eq!(longer.left, Duration::from_millis(200));
        assert!(longer.began && gate.paused_until().is_some());
        gate.let_probe(now + Duration::from_millis(200));
        assert!(gate.resume() && gate.lets_through());
        assert!(!gate.resume());
    }

    #[test]
    fn letting_probe_does_not_shut_an_open_gate() {
        let mut gate = Gate::default();
        gate.let_probe(Instant::now());
        assert!(matches!(gate, Gate::Open));
    }
}
