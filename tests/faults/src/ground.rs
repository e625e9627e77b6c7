use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use forebay_xtask::redis::{RedisBuilder, RedisServer};
use tokio::time::{Instant, sleep};

use crate::stage::{Setting, Stage};

/// Between two looks at something that is waited for.
const POLL: Duration = Duration::from_millis(5);

/// What a scenario gets: how much to do, a seed, and a folder of its own.
pub(crate) struct Ground {
    is_short: bool,
    seed: u64,
    folder: tempfile::TempDir,
    /// None where it is not installed.
    redis: Option<RedisBuilder>,
}

impl Ground {
    /// A ground with a folder of its own, which goes with it.
    pub(crate) fn new(is_short: bool, seed: u64) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("forebay-faults-")
            .tempdir()
            .context("no temporary folder")?;
        Ok(Self {
            is_short,
            seed,
            folder,
            redis: RedisServer::builder(),
        })
    }

    /// One of two numbers: that of the form for every day, or that of the whole proof.
    pub(crate) fn pick<T>(&self, short: T, long: T) -> T {
        if self.is_short { short } else { long }
    }

    /// Dice that fall the same way for the same seed.
    pub(crate) fn dice(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }

    /// A folder for files of the scenario.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder where it is, for whoever looks into a failure.
    pub(crate) fn keep(self) -> std::path::PathBuf {
        self.folder.keep()
    }

    /// The Redis that is installed, to be started as the scenario wants it.
    ///
    /// # Errors
    /// When there is none: a proof that was not made is none.
    pub(crate) fn redis(&self) -> Result<RedisBuilder> {
        let redis = self.redis.clone();
        redis.context("no redis-server; `cargo xtask setup` installs it")
    }

    /// A queue on the server at this URL, with processes to work on it. The settings are those of the environment, such
    /// as `QUEUE_LEASE`; every process gets them.
    pub(crate) async fn stage(&self, url: &str, settings: &[Setting<'_>]) -> Result<Stage> {
        Stage::open(self.folder(), url, settings).await
    }
}

/// Looks until something is so, and fails after the limit, naming it.
pub(crate) async fn until(
    what: &str,
    limit: Duration,
    mut is_so: impl AsyncFnMut() -> Result<bool>,
) -> Result<Duration> {
    let began = Instant::now();
    while !is_so().await? {
        if began.elapsed() > limit {
            bail!("waited {limit:?} in vain for: {what}");
        }
        // tidy: sleep — between two looks, under the limit above
        sleep(POLL).await;
    }
    Ok(began.elapsed())
}

/// Which server it is, and which version.
pub(crate) fn version(server: &RedisServer) -> Result<String> {
    for (line, name) in [("valkey_version", "Valkey"), ("redis_version", "Redis")] {
        if let Some(version) = server.info("server", line)? {
            return Ok(format!("{name} {version}"));
        }
    }
    bail!("the server does not tell its version")
}
