//! The list of all queues.

use forebay_queue_core::{Backend, Environment, Kind, NewMessage, QueueConfig};

use super::*;
use crate::RedisBackend;

#[tokio::test]
async fn a_queue_that_was_made_again_is_listed_again() {
    let Some(builder) = builder() else { return };
    let server = builder.start().unwrap();
    let backend = RedisBackend::connect(options(&server.url()), Environment::system());
    let backend = backend.await.unwrap();
    let name = queue("q");
    backend
        .create(&name, &QueueConfig::default())
        .await
        .unwrap();
    let session = backend.open(&name, None).await.unwrap();
    server.call(&["FLUSHALL"]).unwrap();
    assert_eq!(backend.list().await.unwrap(), []);
    let message = NewMessage::new(Kind::from_static("job"), "");
    session
        .publish(vec![message], Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(backend.list().await.unwrap(), [name]);
}
