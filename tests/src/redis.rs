//! Private Redis servers: those of the whole run, and those that a test breaks.
//!
//! The code that starts them is shared with `cargo xtask test`, which starts one of each kind
//! for the whole run.

pub use forebay_xtask::redis::{
    Client, Kind, RedisBuilder, RedisCluster, RedisPair, RedisServer, Reply, variable,
};

use std::env;

use forebay_xtask::redis::{RULES, Started};
use forebay_xtask::setup;

use crate::{name, require};

/// A server to talk to, which other tests may talk to at the same time: whoever uses it takes
/// names of its own ([`queue_name`]) and neither flushes nor reconfigures it.
#[derive(Debug)]
pub struct Shared {
    values: Vec<(&'static str, String)>,
    /// Where the run has none, the test's own; it is kept only to be ended.
    _own: Option<Started>,
}

impl Shared {
    /// The address of the server. Of a pair it is the primary's, of a cluster those of all
    /// nodes with a comma between them, and where there are accounts it is the queue's own
    /// user's.
    pub fn url(&self) -> &str {
        let (_, url) = &self.values[0];
        url
    }

    /// What the run's environment has, or would have, under a name in [`variable`].
    ///
    /// # Panics
    ///
    /// When this kind of server has no such variable.
    pub fn value(&self, variable: &str) -> &str {
        let mut values = self.values.iter();
        match values.find(|(name, _)| *name == variable) {
            Some((_, value)) => value,
            None => panic!("this kind of server has no {variable}"),
        }
    }
}

/// A server of that kind: the one of the whole run where the environment names it, else one
/// of the test's own, which takes about 50 ms (a cluster 3 s). `None`, with a line that says
/// so, where it is not installed.
///
/// # Panics
///
/// When it is missing though servers are required (Valkey only where it can be fetched), and
/// when it does not start.
pub fn shared(kind: Kind) -> Option<Shared> {
    if let Some(values) = of_the_run(kind) {
        return Some(Shared { values, _own: None });
    }
    let (name, required) = match kind {
        Kind::Valkey => (
            "Valkey",
            require::is_required() && setup::can_fetch_valkey(),
        ),
        _ => ("redis-server", require::is_required()),
    };
    require::found(name, kind.binary(), required)?;
    match kind.start() {
        Ok(own) => Some(Shared {
            values: own.values().to_vec(),
            _own: Some(own),
        }),
        Err(error) => panic!("{name} is installed, yet it does not serve: {error:#}"),
    }
}

/// The beginnings of a server that the test breaks at will. `None`, with a line that says so,
/// where Redis is not installed.
///
/// # Panics
///
/// When it is missing though servers are required.
pub fn own() -> Option<RedisBuilder> {
    require::found(
        "redis-server",
        RedisServer::builder(),
        require::is_required(),
    )
}

/// The name of a queue that no other test has.
pub fn queue_name() -> String {
    name::unique()
}

/// The beginning of keys that no other test has and that the queue's own user may use.
pub fn key_prefix() -> String {
    let of_queues = RULES
        .split_whitespace()
        .find_map(|rule| rule.strip_prefix('~')?.strip_suffix('*'));
    format!("{}{}:", of_queues.unwrap_or_default(), name::unique())
}

fn of_the_run(kind: Kind) -> Option<Vec<(&'static str, String)>> {
    let variables = kind.variables().iter();
    variables
        .map(|variable| Some((*variable, env::var(variable).ok()?)))
        .collect()
}
