//! A primary and its replica.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{RedisBuilder, RedisServer};
use crate::poll::{self, Outcome};

/// How long a replica may take to have all of its primary's data.
const LINK_LIMIT: Duration = Duration::from_secs(30);

/// Two servers, of which one copies the other.
#[derive(Debug)]
pub struct RedisPair {
    /// It takes the writes.
    pub primary: RedisServer,
    /// It copies them.
    pub replica: RedisServer,
}

impl RedisPair {
    /// Starts both alike, and waits until the replica follows.
    ///
    /// # Errors
    ///
    /// When one of them does not start, or the replica does not follow within 30 s.
    pub fn start(builder: RedisBuilder) -> Result<Self> {
        let primary = builder.clone().start()?;
        let replica = builder.replica_of(primary.port()).start()?;
        let pair = Self { primary, replica };
        pair.wait_until_linked()?;
        Ok(pair)
    }

    /// Waits until the replica has all of the primary's data and follows what is written.
    ///
    /// # Errors
    ///
    /// When that is not so within 30 s.
    pub fn wait_until_linked(&self) -> Result<()> {
        let linked = poll::until(LINK_LIMIT, || {
            let status = self.replica.info("replication", "master_link_status");
            // The primary counts it a moment later.
            let counted = self.primary.info("replication", "slave0");
            match (status, counted) {
                (Ok(Some(status)), Ok(Some(line)))
                    if status == "up" && line.contains("state=online") =>
                {
                    Outcome::Done(())
                }
                _ => Outcome::Again,
            }
        });
        linked.with_context(|| format!("the replica does not follow within {LINK_LIMIT:?}"))
    }
}
