//! The embedded queue: one process and its own disk.
//!
//! The engine of the memory queue with a writer thread behind it: what waits is gathered into one batch with one fsync, and
//! nothing is answered before it is kept. Recovery reads everything but the payloads.
//!
//! ```
//! use std::time::Duration;
//! use forebay_queue_core::{Backend, Environment, Kind, NewMessage, QueueConfig, QueueName};
//! use forebay_queue_embedded::{Database, EmbeddedBackend, EmbeddedOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("queue");
//! let options = EmbeddedOptions::new(Database::Sqlite, path);
//! let backend = EmbeddedBackend::open(options, Environment::system()).await?;
//! let name = QueueName::from_static("emails");
//! backend.create(&name, &QueueConfig::default()).await?;
//! let queue = backend.open(&name, None).await?;
//!
//! let message = NewMessage::new(Kind::from_static("send-email"), "hello");
//! queue.publish(vec![message], Duration::ZERO).await?;
//! for delivery in queue.receive(10, Duration::from_secs(1)).await? {
//!     assert_eq!(delivery.message.payload(), "hello");
//!     delivery.ack(&*queue).await?;
//! }
//! backend.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What touches the disk is in [`storage`]: an object-safe [`Storage`](storage::Storage) trait over two databases, and on
//! top of it a typed [`Store`](storage::Store) that both share. Nothing outside that module names a database.
#![cfg_attr(
    not(any(feature = "sqlite", feature = "rocksdb")),
    allow(unused, reason = "without a database there is nobody to use it")
)]

mod backend;
mod command;
mod compact;
mod line;
mod management;
mod options;
mod payloads;
mod recovery;
mod rows;
mod session;
pub mod storage;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
mod turn;
mod writer;

pub use backend::EmbeddedBackend;
pub use compact::{Compacted, compact};
pub use options::{Database, EmbeddedOptions, Sync, VARIABLES};
pub use storage::StorageError;
