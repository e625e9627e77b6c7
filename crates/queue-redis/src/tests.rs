//! The way to real servers, whole and broken.

mod access;
mod clusters;
mod confirmation;
mod encryption;
mod outages;
mod probes;
mod registry;
mod secrets;
mod sentinels;
mod sharing;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use forebay_queue_core::QueueName;
use forebay_xtask::redis::{RedisBuilder, RedisServer};
use redis::Value;
use tokio::time::{Instant, sleep};

use crate::call::Call;
use crate::cluster::Servers;
use crate::failure::Failure;
use crate::keys::Keys;
use crate::link::Link;
use crate::options::RedisOptions;
use crate::script::Script;

/// How long anything here may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// Counts in the hash of a queue.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "count",
        "#!lua\nreturn redis.call('HINCRBY', KEYS[1], 'n', ARGV[1])",
    )
});

/// Writes nothing.
static LOOK: LazyLock<Script> =
    LazyLock::new(|| Script::new("look", "#!lua\nreturn redis.call('HGET', KEYS[1], 'n')"));

/// The beginnings of a server; `None`, with a line that says so, where Redis is not installed.
fn builder() -> Option<RedisBuilder> {
    forebay_tests::redis::own()
}

/// Options with times short enough for a test.
fn options(url: &str) -> RedisOptions {
    let options = RedisOptions::new(url).unwrap();
    options
        .with_connect_timeout(Duration::from_secs(1))
        .with_response_timeout(Duration::from_secs(2))
}

fn servers(url: &str) -> Arc<Servers> {
    Servers::new(options(url)).unwrap()
}

fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

/// A queue's link and keys.
struct Way {
    link: Link,
    keys: Keys,
}

impl Way {
    fn to(servers: &Arc<Servers>, name: &str) -> Self {
        let name = queue(name);
        let keys = Keys::new(servers.options().prefix(), &name);
        Self {
            link: servers.link(&name),
            keys,
        }
    }

    async fn count(&self) -> Result<Value, Failure> {
        self.link.call(&COUNT, &self.keys, ["1"]).await
    }

    async fn look(&self) -> Result<Value, Failure> {
        self.link.ask(&LOOK, &self.keys, [""; 0]).await
    }
}

fn command(words: &[&str]) -> Call {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    Call::command(command)
}

/// Tries until it succeeds.
async fn until_ok<T, E: std::fmt::Debug>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) if start.elapsed() > PATIENCE => panic!("still {error:?}"),
            // tidy: sleep — polls with a limit.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
