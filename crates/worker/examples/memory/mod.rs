//! A queue in the memory of this process, for the examples. A service connects by the facade instead.

use std::sync::Arc;

use forebay_queue_core::{Environment, Error, Observers, QueueConfig, QueueName, guarded};
use forebay_queue_memory::MemoryBackend;
use forebay_worker::Connection;

pub(crate) async fn queue(name: &str) -> Result<Connection, Error> {
    let environment = Environment::system();
    let backend = guarded(Arc::new(MemoryBackend::new(environment.clone())));
    Connection::open(
        backend,
        QueueName::new(name)?,
        Some(QueueConfig::default()),
        environment,
        Observers::none(),
    )
    .await
}
