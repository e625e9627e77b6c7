//! A bell that comes together with messages takes none of them away.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{
    Backend, Environment, Kind, NewMessage, QueueConfig, QueueName, SettleOutcome,
};
use forebay_queue_redis::{RedisBackend, RedisOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use server::{LIMIT, Private};

const NAME: QueueName = QueueName::from_static("q");
const BELL: &[u8] = b"forebay:{q}:bell";

/// A way to a server on which the question of a reader that would wait is kept until it may go on.
struct Relay {
    port: u16,
    kept: Arc<Semaphore>,
    may_go: Arc<Semaphore>,
}

impl Relay {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            kept: Arc::new(Semaphore::new(0)),
            may_go: Arc::new(Semaphore::new(0)),
        };
        let (kept, may_go) = (Arc::clone(&relay.kept), Arc::clone(&relay.may_go));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (kept, may_go) = (Arc::clone(&kept), Arc::clone(&may_go));
                tokio::spawn(async move {
                    let (from_client, mut to_client) = client.into_split();
                    let (mut from_server, to_server) = server.into_split();
                    tokio::join!(
                        ask(from_client, to_server, &kept, &may_go),
                        copy(&mut from_server, &mut to_client),
                    )
                });
            }
        });
        relay
    }
}

async fn ask(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    kept: &Semaphore,
    may_go: &Semaphore,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        let asked = &buffer[..count];
        if asked.windows(5).any(|word| word == b"BLOCK") {
            kept.add_permits(1);
            may_go.acquire().await.unwrap().forget();
        }
        if count == 0 || to.write_all(asked).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bell_and_a_message_that_are_there_at_once_are_both_heard() {
    let Some(server) = Private::forgetful(Timing::NETWORK) else {
        return;
    };
    let direct = server.connect().await;
    direct.create(&NAME, &QueueConfig::default()).await.unwrap();
    let publisher = direct.open(&NAME, None).await.unwrap();
    let relay = Relay::to(server.port()).await;
    let url = format!("redis://127.0.0.1:{}", relay.port);
    let options = RedisOptions::new(&url).unwrap();
    let backend = RedisBackend::connect(options, Environment::system()).await;
    let queue = backend.unwrap().open(&NAME, None).await.unwrap();
    // One that is handed out whole, and one that is not.
    for max in [1, 9] {
        let waiting = {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.receive(max, LIMIT).await })
        };
        let kept = timeout(LIMIT, relay.kept.acquire()).await;
        kept.unwrap().unwrap().forget();
        let message = NewMessage::new(Kind::from_static("k"), "");
        publisher.publish(vec![message], LIMIT).await.unwrap();
        server.call(&[b"XADD", BELL, b"*", b"b", b"1"]);
        relay.may_go.add_permits(1);
        let patience = Duration::from_secs(4);
        let received = timeout(patience, waiting).await;
        let received = received.expect("the message was handed to nobody");
        let received = received.unwrap().unwrap();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].attempt, 1);
        let outcomes = queue.ack(&[received[0].receipt.clone()]).await.unwrap();
        assert_eq!(outcomes, [SettleOutcome::Done]);
    }
}
