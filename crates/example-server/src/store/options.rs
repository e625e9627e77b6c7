//! How long the store waits, and how many connections it keeps.

use std::time::Duration;

/// Limits of a [`Store`](super::Store).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The longest that a call takes, waiting for a connection included. Default 5 s.
    pub call_timeout: Duration,
    /// The longest that a call waits for a connection. Default 2 s.
    pub acquire_timeout: Duration,
    /// The longest that [`ping`](super::Store::ping) takes. Default 2 s.
    pub ping_timeout: Duration,
    /// The longest that [`migrate`](super::Store::migrate) and [`reset`](super::Store::reset) take. Default 30 s.
    pub migrate_timeout: Duration,
    /// SQLite: how long a statement waits for another process to let go of the file. Default 1 s.
    pub busy_timeout: Duration,
    /// PostgreSQL: connections, at most. SQLite: connections that read; one more writes. Default 16.
    pub max_connections: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(2),
            ping_timeout: Duration::from_secs(2),
            migrate_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(1),
            max_connections: 16,
        }
    }
}
