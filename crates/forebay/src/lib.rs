//! forebay: a queue and worker framework with the same promises on every store.
//!
//! An HTTP handler publishes and answers 202; a worker does the work in the background, in the same process or in
//! another; one day the store is changed by `QUEUE_BACKEND` and nothing else changes.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use forebay::{Failure, Meta, State, Task, Worker, shutdown_signal};
//! # use serde::{Deserialize, Serialize};
//! # use tower::timeout::TimeoutLayer;
//! # #[derive(Clone)]
//! # struct Mailer;
//! # impl Mailer {
//! #     fn new() -> Self { Self }
//! #     async fn send(&self, to: &str, subject: &str, key: Option<&str>) -> std::io::Result<()> { Ok(()) }
//! # }
#![doc = include_str!("../examples/readme/program.rs")]
//! ```
//!
//! # Where to look
//! * [`connect_from_env`] and [`Connector`] open a queue; [`VARIABLES`] lists what they read.
//! * [`Producer`] publishes typed [`Task`]s; [`NewMessage`] is the untyped form.
//! * [`Worker`] runs handlers: async functions with extractors ([`Meta`], [`State`], …).
//! * [`core`] is the contract with everything a backend implements.
//! * [`telemetry`] has the observers: metrics, logs, traces.
//!
//! # Features
//! `memory` (default) brings the memory backend, `sqlite` and `rocksdb` the embedded one on either database, `redis` the one on Redis and Valkey,
//! `prometheus` the metrics, `otel` the W3C trace context through OpenTelemetry, `failpoints` the named fail points for tests, `test-kit` the
//! `test_kit` for an application's own tests. `rocksdb` needs a C++ compiler and libclang to build, and ten minutes and more the first time.

mod connector;
mod error;
mod options;
mod shutdown;
mod variables;

pub use connector::{Connector, connect_from_env};
pub use error::Error;
pub use forebay_queue_core as core;
pub use forebay_queue_core::{
    Backend, CancelOutcome, CancelTarget, DeadLetterFilter, Delivery, Durability, Environment,
    FairnessKey, Fingerprint, Headers, IdempotencyKey, Kind, Management, MessageId, NewMessage,
    Observer, Observers, PageRequest, PublishOutcome, Queue, QueueConfig, QueueName, Registry,
    Rule, Settings, SettleOutcome, Stats, Throttle, ThrottleKey, Timestamp, Variable, Weight,
};
pub use forebay_telemetry as telemetry;
#[cfg(feature = "test-kit")]
pub use forebay_test_kit as test_kit;
pub use forebay_worker as worker;
pub use forebay_worker::*;
pub use options::QueueOptions;
pub use shutdown::{shutdown_requested, shutdown_signal};
pub use variables::VARIABLES;

/// The backends of this build, one line each. A program that has one of its own adds it and hands the registry to
/// [`Connector::registry`].
pub fn registry() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "memory")]
    let registry = registry.with("memory", |_, environment| {
        Box::pin(async move {
            let backend = forebay_queue_memory::MemoryBackend::new(environment);
            Ok(std::sync::Arc::new(backend) as std::sync::Arc<dyn Backend>)
        })
    });
    #[cfg(not(feature = "memory"))]
    let registry = registry.without("memory", "memory");
    #[cfg(feature = "redis")]
    let registry = registry.with("redis", |settings, environment| {
        Box::pin(async move {
            let options = forebay_queue_redis::RedisOptions::from_settings(&settings)?;
            let backend = forebay_queue_redis::RedisBackend::connect(options, environment).await?;
            Ok(std::sync::Arc::new(backend) as std::sync::Arc<dyn Backend>)
        })
    });
    #[cfg(not(feature = "redis"))]
    let registry = registry.without("redis", "redis");
    #[cfg(feature = "sqlite")]
    let registry = registry.with("sqlite", |settings, environment| {
        use forebay_queue_embedded::Database;
        Box::pin(embedded(Database::Sqlite, settings, environment))
    });
    #[cfg(not(feature = "sqlite"))]
    let registry = registry.without("sqlite", "sqlite");
    #[cfg(feature = "rocksdb")]
    let registry = registry.with("rocksdb", |settings, environment| {
        use forebay_queue_embedded::Database;
        Box::pin(embedded(Database::RocksDb, settings, environment))
    });
    #[cfg(not(feature = "rocksdb"))]
    let registry = registry.without("rocksdb", "rocksdb");
    registry
}

#[cfg(any(feature = "sqlite", feature = "rocksdb"))]
async fn embedded(
    database: forebay_queue_embedded::Database,
    settings: Settings,
    environment: Environment,
) -> Result<std::sync::Arc<dyn Backend>, core::Error> {
    use forebay_queue_embedded::{EmbeddedBackend, EmbeddedOptions};
    let options = EmbeddedOptions::from_settings(database, &settings)?;
    let backend = EmbeddedBackend::open(options, environment).await?;
    Ok(std::sync::Arc::new(backend))
}

/// The guide's blocks are compiled and run with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
pub struct Guide;

/// As those of the page for those who know apalis are.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/coming-from-apalis.md")]
pub struct ComingFromApalis;

/// As those of the page about testing are.
#[cfg(all(doctest, feature = "test-kit"))]
#[doc = include_str!("../../../docs/testing.md")]
pub struct Testing;
