//! The queue under the server: in its own memory, in a directory of its own, or on Redis, where several processes share it.

use std::time::Duration;

use forebay_tests::redis::{Kind, RedisBuilder, RedisServer, Shared, own, queue_name, shared};
use tempfile::TempDir;

use super::client::Client;
use super::process::Process;
use super::server::{Server, Setup};

/// A queue for one test.
pub(crate) enum TestQueue {
    Memory,
    /// On SQLite in a directory, which outlives the server.
    Embedded(TempDir),
    /// On a server that other tests use too.
    Redis(Box<Shared>, String),
}

impl TestQueue {
    /// `None` where the program is built without SQLite.
    pub(crate) fn embedded() -> Option<Self> {
        if cfg!(feature = "sqlite") {
            return Some(Self::Embedded(TempDir::new().unwrap()));
        }
        println!("skipped: no sqlite in this build");
        None
    }

    /// `None` where Redis is missing and not demanded; it has said so then.
    pub(crate) async fn redis() -> Option<Self> {
        Self::on(Kind::Plain).await
    }

    /// As [`redis`](Self::redis), as a user with a password who may do no more than a queue needs.
    pub(crate) async fn redis_with_accounts() -> Option<Self> {
        Self::on(Kind::Accounts).await
    }

    async fn on(kind: Kind) -> Option<Self> {
        is_built_in()?;
        let shared = blocking(move || shared(kind)).await?;
        Some(Self::Redis(Box::new(shared), queue_name()))
    }

    /// The value of `QUEUE_BACKEND`.
    pub(crate) fn backend(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Embedded(_) => "sqlite",
            Self::Redis(..) => "redis",
        }
    }

    /// The value of `QUEUE_NAME`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Memory | Self::Embedded(_) => "outbound-messages",
            Self::Redis(_, name) => name,
        }
    }

    /// The value of `REDIS_URL`; empty where there is none.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Memory | Self::Embedded(_) => "",
            Self::Redis(shared, _) => shared.url(),
        }
    }

    /// The settings of a process on it.
    pub(crate) fn setup(&self) -> Setup {
        let setup = Setup::new().env("QUEUE_BACKEND", self.backend());
        match self {
            Self::Memory => setup,
            Self::Embedded(folder) => setup.env("QUEUE_PATH", folder.path().display()),
            Self::Redis(shared, name) => {
                setup.env("REDIS_URL", shared.url()).env("QUEUE_NAME", name)
            }
        }
    }

    /// Starts the whole service and waits until it is ready: where several processes can share the queue, a server
    /// that only publishes, and a worker.
    pub(crate) async fn serve(&self, setup: Setup) -> Service {
        let Self::Redis(..) = self else {
            let server = setup.start_ready().await;
            return Service {
                server,
                worker: None,
            };
        };
        let server = setup.clone().env("WORKER_ENABLED", false);
        Service {
            server: server.start_ready().await,
            worker: Some(setup.start_worker().await),
        }
    }
}

/// A Redis server to break, which keeps what it has accepted. `None` where Redis is missing and not demanded.
pub(crate) async fn breakable() -> Option<RedisServer> {
    is_built_in()?;
    blocking(|| own().map(|builder| start(builder.append_only()))).await
}

/// `None` where the program cannot reach Redis at all.
fn is_built_in() -> Option<()> {
    if cfg!(feature = "redis") {
        return Some(());
    }
    println!("skipped: no redis in this build");
    None
}

fn start(builder: RedisBuilder) -> RedisServer {
    builder.start().unwrap()
}

/// All processes of the service.
pub(crate) struct Service {
    pub(crate) server: Server,
    /// The other half, where the server only publishes.
    pub(crate) worker: Option<Process>,
}

impl Service {
    pub(crate) fn client(&self) -> &Client {
        &self.server.client
    }

    /// Asks all of it to stop, and asserts that each process does, with status 0.
    pub(crate) async fn stop(&mut self, limit: Duration) {
        self.server.stop(limit).await;
        if let Some(worker) = &mut self.worker {
            worker.stop(limit).await;
        }
    }

    /// Every line that was printed.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = self.server.output.all();
        if let Some(worker) = &self.worker {
            lines.extend(worker.output.all());
        }
        lines
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
