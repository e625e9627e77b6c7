//! Callers at the same time share their calls to the server, and with them the waits for its disk.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod server;

use std::sync::Arc;

use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{
    Durability, Kind, NewMessage, PublishOutcome, Queue, QueueConfig, QueueName,
};
use tokio::task::JoinSet;

use server::{LIMIT, Private};

const NAME: QueueName = QueueName::from_static("q");
const CALLERS: u64 = 64;
const ROUNDS: u64 = 50;

/// Publishes one message after the other; answers how many scripts the server has run for it.
async fn publish(server: &Private, queue: &Arc<dyn Queue>, callers: u64, rounds: u64) -> u64 {
    let before = server.statistics()["evalsha"].calls;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let queue = Arc::clone(queue);
        tasks.spawn(async move {
            for _ in 0..rounds {
                let message = NewMessage::new(Kind::from_static("k"), "payload");
                let outcomes = queue.publish(vec![message], LIMIT).await.unwrap();
                assert!(matches!(outcomes[..], [PublishOutcome::Accepted(_)]));
            }
        });
    }
    tasks.join_all().await;
    server.statistics()["evalsha"].calls - before
}

/// The server writes and flushes its file at most once between two scripts, before it answers: what one script has
/// taken, one flush has saved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_the_flushes_of_a_server_that_flushes_always() {
    let Some(server) = Private::start(Timing::NETWORK) else {
        return;
    };
    let backend = server.connect().await;
    let given = backend.probe().await.unwrap();
    assert_eq!(given.durability, Durability::Fsynced, "{given:?}");
    backend
        .create(&NAME, &QueueConfig::default())
        .await
        .unwrap();
    let queue = backend.open(&NAME, None).await.unwrap();
    publish(&server, &queue, 1, 5).await;

    let alone = publish(&server, &queue, 1, ROUNDS).await;
    assert!(alone >= ROUNDS, "each waits for the one before");
    let together = publish(&server, &queue, CALLERS, ROUNDS).await;
    let each = CALLERS * ROUNDS / together;
    println!(
        "{alone} scripts for {ROUNDS} messages of one caller, {together} for {CALLERS} times as many of {CALLERS}"
    );
    assert!(each >= 8, "{each} messages a script, {together} scripts");
    let management = backend.manage(&NAME).await.unwrap();
    let live = management.stats().await.unwrap().live();
    assert_eq!(live, 5 + ROUNDS + CALLERS * ROUNDS);
    // What was answered is in the file.
    server.restart().await;
    let backend = server.connect().await;
    let management = backend.manage(&NAME).await.unwrap();
    let kept = management.stats().await.unwrap().live();
    assert_eq!(kept, live, "the restart lost some");
}
