//! Redis servers for the tests of this package.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test file uses a part of it"
)]

mod public;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{Backend, Environment};
use forebay_queue_redis::{RedisBackend, RedisOptions};
use forebay_tests::wait;
use forebay_xtask::redis::{Client, RedisBuilder, RedisServer, Reply};
use parking_lot::Mutex;

pub(crate) use public::Public;

/// What a test waits for comes within this, or not at all.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The public suite on what a function gives for the group and the name of a case; a case that is given nothing is left
/// out, for the server is not installed then.
macro_rules! suite {
    ($harness:expr) => {
        forebay_queue_conformance::__cases! { [crate::server::each_case] ($harness) }
    };
}

macro_rules! each_case {
    (($harness:expr) $($group:ident { $($name:ident)* })*) => {
        mod conformance {
            $(mod $group {
                #[allow(unused_imports, reason = "the harness may name what its file imports")]
                use super::super::*;
                $(#[test]
                fn $name() {
                    let (group, name) = (stringify!($group), stringify!($name));
                    crate::server::run(group, name, $harness(group, name));
                })*
            })*
        }
    };
}

pub(crate) use {each_case, suite};

/// Runs one case, if there is a server. It is one function for all cases: compiled into each of them it would take the
/// compiler minutes.
pub(crate) fn run<H: Harness>(group: &str, name: &str, harness: Option<H>) {
    if let Some(harness) = harness {
        forebay_queue_conformance::run(group, name, || harness);
    }
}

/// A private server that writes everything to its disk at once, for one case of the suite.
pub(crate) struct Private {
    server: Mutex<RedisServer>,
    url: String,
    timing: Timing,
}

impl Private {
    /// Starts the server. It lives as long as this. `None`, with a line that says so, where Redis is not installed.
    ///
    /// # Panics
    /// When Redis is missing though servers are required, and when it does not start.
    pub(crate) fn start(timing: Timing) -> Option<Self> {
        Some(Self::of(builder()?.append_only(), timing))
    }

    /// As [`Private::start`], with a server that keeps nothing, and so waits for no disk.
    ///
    /// # Panics
    /// As [`Private::start`].
    pub(crate) fn forgetful(timing: Timing) -> Option<Self> {
        Some(Self::of(builder()?, timing))
    }

    /// As [`Private::start`], as a user who may do no more than the rules in `acl.txt`.
    ///
    /// # Panics
    /// As [`Private::start`].
    pub(crate) fn restricted(timing: Timing) -> Option<Self> {
        let rules = include_str!("../../src/acl.txt");
        Some(Self::of(
            builder()?.append_only().accounts_with(rules),
            timing,
        ))
    }

    fn of(builder: RedisBuilder, timing: Timing) -> Self {
        let server = builder.start().expect("the server starts");
        Self {
            url: server.url(),
            server: Mutex::new(server),
            timing,
        }
    }

    /// A backend on it, as one more process has it.
    pub(crate) async fn backend(&self) -> RedisBackend {
        let options = RedisOptions::new(&self.url).expect("it is a URL");
        let backend = RedisBackend::connect(options, Environment::system()).await;
        backend.expect("the server is there")
    }

    /// Sends it a command as its administrator.
    pub(crate) fn call(&self, command: &[&[u8]]) -> Reply {
        let answer = self.server.lock().call(command);
        answer.expect("the server takes the command")
    }

    /// One number of what its INFO says.
    pub(crate) fn info(&self, section: &str, name: &str) -> u64 {
        let line = self.server.lock().info(section, name);
        let line = line.expect("the server answers");
        let line = line.unwrap_or_else(|| panic!("INFO {section} has no {name}"));
        line.parse().expect("it is a number")
    }

    /// Its clock, in microseconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock().now()
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.server.lock().port()
    }

    /// Its clock, over a connection that is there already.
    pub(crate) fn clock(&self) -> Clock {
        let client = self.server.lock().client();
        Clock(Mutex::new(client.expect("the server is there")))
    }

    /// What each command has cost since the start; one that scripts have called too.
    pub(crate) fn statistics(&self) -> HashMap<String, Cost> {
        let info = self.call(&[b"INFO", b"commandstats"]);
        let lines = info.text().expect("it is text").lines();
        let commands = lines.filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
        let cost = |(name, values): (&str, &str)| {
            let value = |field: &str| {
                let mut values = values.split(',').filter_map(|pair| pair.split_once('='));
                let value = values.find(|(name, _)| *name == field);
                let (_, value) = value.expect("the server counts it");
                value.trim().parse().expect("it is a number")
            };
            let cost = Cost {
                calls: value("calls"),
                micros: value("usec"),
            };
            (name.to_owned(), cost)
        };
        commands.map(cost).collect()
    }

    /// Waits until so many connections wait for something to come.
    pub(crate) async fn has_blocked(&self, count: u64) {
        wait::until("readers wait at the server", LIMIT, async || {
            self.info("clients", "blocked_clients") == count
        })
        .await;
    }
}

/// What the calls of one command have cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) calls: u64,
    pub(crate) micros: u64,
}

/// The clock of a server.
pub(crate) struct Clock(Mutex<Client>);

impl Clock {
    /// The time in microseconds.
    pub(crate) fn now(&self) -> u64 {
        let answer = self.0.lock().call(&["TIME"]);
        let Reply::Array(parts) = answer.expect("the server answers") else {
            panic!("the time is two numbers");
        };
        let number = |part: &Reply| part.text().and_then(|text| text.parse::<u64>().ok());
        let numbers: Option<Vec<u64>> = parts.iter().map(number).collect();
        match numbers.as_deref() {
            Some([seconds, micros]) => seconds * 1_000_000 + micros,
            _ => panic!("the time is two numbers"),
        }
    }
}

fn builder() -> Option<RedisBuilder> {
    forebay_tests::redis::own()
}

#[async_trait]
impl Harness for Private {
    async fn connect(&self) -> Arc<dyn Backend> {
        Arc::new(self.backend().await)
    }

    async fn restart(&self) {
        let mut server = self.server.lock();
        server.kill().expect("the server dies");
        server.restart().expect("the server comes back");
    }

    fn timing(&self) -> Timing {
        self.timing
    }
}
