//! Payloads, keys and header values appear in no log line, at any level, and in no `Debug`.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Environment, Kind, NewMessage, Observers, QueueConfig, QueueName, guarded,
};
use forebay_queue_memory::MemoryBackend;
use forebay_worker::{Connection, Failure, Meta, RetryPolicy, Task, Worker};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[derive(Serialize, Deserialize)]
struct Secret {
    what: String,
}

impl Task for Secret {
    const KIND: &'static str = "secret";
}

async fn fails_in_every_way(secret: Secret, meta: Meta) -> Result<(), Failure> {
    assert!(secret.what.contains("canary"));
    match meta.attempt() {
        1 => Err("an error")?,
        2 => panic!("a panic"),
        3 => Err(Failure::reject("a reason")),
        _ => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn no_canary_is_ever_printed() {
    let lines = Lines::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .init();
    let environment = Environment::seeded(1);
    let backend = guarded(Arc::new(MemoryBackend::new(environment.clone())));
    let name = QueueName::from_static("secrets");
    let config = Some(QueueConfig::default());
    let queue = Connection::open(backend, name, config, environment, Observers::none())
        .await
        .unwrap();
    let producer = queue.producer();
    let what = "canary-payload".to_owned();
    let publish = producer
        .publish(Secret { what })
        .idempotency_key("canary-key")
        .fairness_key("canary-fairness")
        .header("authorization", "canary-header");
    let mut printed = format!("{publish:?} {producer:?} {queue:?}");
    publish.await.unwrap();
    for kind in ["secret", "unknown"] {
        let bad = NewMessage::new(Kind::from_static(kind), "canary-payload");
        producer.publish_all(vec![bad]).await.unwrap();
    }
    let worker = Worker::new(queue.clone())
        .retry(RetryPolicy::default().base(Duration::from_millis(1)))
        .handle(fails_in_every_way);
    write!(printed, "{worker:?}").unwrap();
    let idle = async {
        while queue.management().stats().await.unwrap().live() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    worker.run_until(idle).await.unwrap();
    printed.push_str(std::str::from_utf8(&lines.0.lock()).unwrap());
    assert!(printed.contains("a message failed"), "the log was caught");
    assert!(printed.contains("panicked: a panic"));
    assert!(!printed.contains("canary"), "{printed}");
    assert_eq!(queue.management().stats().await.unwrap().dead, 3);
}
