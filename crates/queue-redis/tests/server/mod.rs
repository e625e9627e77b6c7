//! A Redis server of a test's own.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{Backend, Environment};
use forebay_queue_redis::{RedisBackend, RedisOptions};
use forebay_xtask::redis::{RedisBuilder, RedisServer};
use parking_lot::Mutex;

/// A private server that writes everything to its disk at once, for one case of the suite.
pub(crate) struct Private {
    server: Mutex<RedisServer>,
    url: String,
    timing: Timing,
}

impl Private {
    /// Starts the server. It lives as long as this.
    ///
    /// # Panics
    /// When there is no Redis on this machine, or it does not start.
    pub(crate) fn start(timing: Timing) -> Self {
        Self::of(builder().append_only(), timing)
    }

    /// As [`Private::start`], with a server that keeps nothing, and so waits for no disk.
    ///
    /// # Panics
    /// As [`Private::start`].
    pub(crate) fn forgetful(timing: Timing) -> Self {
        Self::of(builder(), timing)
    }

    /// As [`Private::start`], as a user who may do no more than the rules in `acl.txt`.
    ///
    /// # Panics
    /// As [`Private::start`].
    pub(crate) fn restricted(timing: Timing) -> Self {
        let rules = include_str!("../../src/acl.txt");
        Self::of(builder().append_only().accounts_with(rules), timing)
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
    pub(crate) fn call(&self, command: &[&[u8]]) -> forebay_xtask::redis::Reply {
        let answer = self.server.lock().call(command);
        answer.expect("the server takes the command")
    }
}

fn builder() -> RedisBuilder {
    RedisServer::builder().expect("redis-server 7.0 or newer is installed")
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
