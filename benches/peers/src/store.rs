use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, cmd};

/// The Redis that everybody works on, one after the other.
pub(crate) struct Store {
    connection: MultiplexedConnection,
}

impl Store {
    /// Connects to it, if it is empty or may be emptied.
    ///
    /// # Errors
    /// When it cannot be reached, or somebody has something in it.
    pub(crate) async fn open(url: &str, may_flush: bool) -> Result<Self> {
        let client = Client::open(url).context("REDIS_URL is wrong")?;
        let patience = Some(Duration::from_mins(1));
        let config = AsyncConnectionConfig::new().set_response_timeout(patience);
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connection.await.context("REDIS_URL cannot be reached")?;
        let keyspace: String = cmd("INFO")
            .arg("keyspace")
            .query_async(&mut connection)
            .await?;
        ensure!(
            may_flush || !keyspace.contains("db"),
            "the Redis at REDIS_URL is not empty, and this program empties it; --flush if that is meant"
        );
        Ok(Self { connection })
    }

    /// What the server says it is.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(crate) async fn version(&mut self) -> Result<String> {
        let mut info = cmd("INFO");
        info.arg("server");
        let info: String = info.query_async(&mut self.connection).await?;
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"));
        Ok(version.unwrap_or("unknown").trim().to_owned())
    }

    /// Removes everything, and waits for it.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(crate) async fn empty(&mut self) -> Result<()> {
        let mut flush = cmd("FLUSHALL");
        flush.arg("SYNC");
        flush.query_async::<()>(&mut self.connection).await?;
        // What the last subject's scripts were is no help for the next.
        let mut flush = cmd("SCRIPT");
        flush.arg("FLUSH").arg("SYNC");
        flush.query_async::<()>(&mut self.connection).await?;
        Ok(())
    }
}
