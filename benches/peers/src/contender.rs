use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use forebay::{Connector, Settings};
use forebay_bench::{ForebayQueue, Load, Side, Subject, Took};

use crate::meter::{Meter, Metered};
use crate::mode::Mode;
use crate::peer::{PeerSubject, Place};
use crate::subjects::{Apalis, Bare, Broccoli, Omniqueue, Sidekiq};

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Contender {
    /// forebay on the backend of `QUEUE_BACKEND`, `redis` where that is not set.
    Forebay,
    /// The Redis client without a queue on it.
    Bare,
    /// apalis with apalis-redis, at its fastest: without leases.
    Apalis,
    /// The same with leases, which it has by default.
    ApalisLocked,
    /// omniqueue on Redis Streams.
    Omniqueue,
    /// rusty-sidekiq.
    Sidekiq,
    /// `broccoli_queue`.
    Broccoli,
}

impl Contender {
    /// Its name in the output.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Forebay => "forebay",
            Self::Bare => "bare-redis",
            Self::Apalis => "apalis-redis",
            Self::ApalisLocked => "apalis-redis, locked",
            Self::Omniqueue => "omniqueue",
            Self::Sidekiq => "rusty-sidekiq",
            Self::Broccoli => "broccoli_queue",
        }
    }

    /// Whether it is another queue, neither forebay nor the ceiling.
    pub(crate) const fn is_peer(self) -> bool {
        !matches!(self, Self::Forebay | Self::Bare)
    }

    /// The version that was built, as the lock file says.
    pub(crate) fn version(self) -> &'static str {
        let package = match self {
            Self::Bare => "redis",
            Self::ApalisLocked => Self::Apalis.name(),
            other => other.name(),
        };
        newest(package).unwrap_or("unknown")
    }

    /// How many messages a round of it carries. Peers get a tenth: the figure is per second, and nobody wants to wait.
    pub(crate) fn messages(self, mode: Mode, most: u32) -> u32 {
        let messages = if self.is_peer() {
            (most / 10).max(1)
        } else {
            most
        };
        match (self, mode) {
            // Its worker ends for good when more than about 8,000 jobs are due.
            (Self::Apalis | Self::ApalisLocked, Mode::Drain | Mode::Combined) => {
                messages.min(7_500)
            }
            _ => messages,
        }
    }

    /// One round; the load's tally has counted when it ends.
    pub(crate) async fn round(
        self,
        mode: Mode,
        place: Place,
        mut settings: Settings,
        load: &'static Load,
    ) -> Result<Spent> {
        let (name, url) = (self.name(), place.url.clone());
        let meter = Meter::open(&url).await?;
        let side: Box<dyn Side> = match self {
            Self::Forebay => {
                settings.set("REDIS_URL", url);
                boxed(ForebayQueue::new(settings, forebay::registry()), &meter)
            }
            Self::Bare => boxed(PeerSubject::<Bare>::new(name, place, load), &meter),
            Self::Apalis => boxed(PeerSubject::<Apalis<false>>::new(name, place, load), &meter),
            Self::ApalisLocked => {
                boxed(PeerSubject::<Apalis<true>>::new(name, place, load), &meter)
            }
            Self::Omniqueue => boxed(PeerSubject::<Omniqueue>::new(name, place, load), &meter),
            Self::Sidekiq => boxed(PeerSubject::<Sidekiq>::new(name, place, load), &meter),
            Self::Broccoli => boxed(PeerSubject::<Broccoli>::new(name, place, load), &meter),
        };
        let client = side.round(mode.of_house(), load).await?;
        let server = meter.busy();
        Ok(Spent { client, server })
    }
}

/// What the timed part of a round took.
pub(crate) struct Spent {
    /// From its start to its end, and of the client's processors.
    pub(crate) client: Took,
    /// Of the server's.
    pub(crate) server: Duration,
}

fn boxed<S: Subject>(subject: S, meter: &Arc<Meter>) -> Box<dyn Side> {
    let meter = Arc::clone(meter);
    Box::new(Metered { subject, meter })
}

/// The settings that forebay gets: the process's, on Redis unless they say otherwise.
pub(crate) fn settings() -> Settings {
    let mut settings = Connector::from_env().settings().clone();
    if settings.get("QUEUE_BACKEND").is_none() {
        settings.set("QUEUE_BACKEND", "redis");
    }
    settings
}

/// The newest version of a package in the lock file: peers bring older clients of their own.
fn newest(package: &str) -> Option<&'static str> {
    let entries = include_str!("../Cargo.lock").split("[[package]]");
    let value = |entry: &'static str, key: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_matches(['=', ' ', '"']))
    };
    let versions = entries.filter(|entry| value(entry, "name") == Some(package));
    let numbers = |version: &str| -> Vec<u32> {
        let parts = version.split(['.', '-', '+']);
        parts.filter_map(|part| part.parse().ok()).collect()
    };
    versions
        .filter_map(|entry| value(entry, "version"))
        .max_by_key(|version| numbers(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_has_a_version() {
        for contender in Contender::value_variants() {
            assert_ne!(contender.version(), "unknown", "{contender:?}");
        }
        assert_eq!(newest("no-such-package"), None);
    }

    #[test]
    fn peers_carry_less_and_apalis_no_more_than_it_bears() {
        let of = |contender: Contender, mode| contender.messages(mode, 200_000);
        assert_eq!(of(Contender::Forebay, Mode::Drain), 200_000);
        assert_eq!(of(Contender::Sidekiq, Mode::Drain), 20_000);
        assert_eq!(of(Contender::Apalis, Mode::Publish), 20_000);
        assert_eq!(of(Contender::Apalis, Mode::Drain), 7_500);
        assert_eq!(of(Contender::ApalisLocked, Mode::Combined), 7_500);
        assert_eq!(Contender::Sidekiq.messages(Mode::Drain, 5), 1);
    }
}
