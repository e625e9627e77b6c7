//! The memory backend: the engine behind a lock.
//!
//! Bounded, with no background task and no polling: a publish wakes the receiver that has waited longest, and a
//! receiver that waits sleeps until the next delayed message, lease or expiry is due. A full queue makes publishers
//! wait in order of arrival. Everything, dead letters too, is gone with the process.
//!
//! ```
//! use std::time::Duration;
//! use forebay_queue_core::{Backend, Environment, Kind, NewMessage, QueueConfig, QueueName};
//! use forebay_queue_memory::MemoryBackend;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), forebay_queue_core::Error> {
//! let backend = MemoryBackend::new(Environment::system());
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
//! # Ok(())
//! # }
//! ```

mod backend;
mod line;
mod management;
mod queue;
mod shared;

pub use backend::MemoryBackend;
