//! Redis is gone or hangs: the service says so, stays, and goes on when it is back.

use std::time::{Duration, Instant};

use crate::outage::ready_answers;
use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::queue::breakable;
use crate::support::request::{SMS, numbered};
use crate::support::server::Setup;
use crate::support::turn;

const PERSISTED: Duration = Duration::from_secs(20);
/// A client does not wait longer than this for its 503.
const ANSWER: Duration = Duration::from_secs(8);

/// A post is refused with a word that it may be repeated.
async fn is_refused(client: &Client, number: usize) {
    let start = Instant::now();
    let answer = client.post(SMS, &numbered(number)).await;
    let problem = answer.problem(503);
    assert!(start.elapsed() <= ANSWER, "{:?}", start.elapsed());
    let kinds = ["unavailable", "outcome-unknown"].map(|k| format!("urn:forebay:problem:{k}"));
    assert!(
        kinds.iter().any(|kind| problem["type"] == *kind),
        "{problem}"
    );
    assert!(answer.header("retry-after").parse::<u32>().is_ok());
    if problem["type"] == kinds[1] {
        assert_eq!(problem["idempotencyKey"], format!("number-{number}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_redis_is_told_and_survived() {
    let _turn = turn::together().await;
    let Some(mut redis) = breakable().await else {
        return;
    };
    let database = TestDatabase::sqlite();
    let setup = Setup::new()
        .env("DATABASE_URL", database.url())
        .env("QUEUE_BACKEND", "redis")
        .env("REDIS_URL", redis.url())
        .env("REDIS_CONNECT_TIMEOUT", "500ms");
    let publisher = setup.clone().env("WORKER_ENABLED", false);
    let mut server = setup.start_ready().await;
    let mut publisher = publisher.start_ready().await;
    let (client, other) = (server.client.clone(), publisher.client.clone());
    client.post(SMS, &numbered(0)).await.id();
    database.has_messages(1, PERSISTED).await;

    redis.kill().unwrap();
    for client in [&client, &other] {
        ready_answers(client, 503).await;
        assert_eq!(client.get("/healthz").await.status, 200);
        is_refused(client, 1).await;
        assert_eq!(client.get("/metrics").await.status, 200);
    }
    redis.restart().unwrap();
    for client in [&client, &other] {
        ready_answers(client, 200).await;
    }
    // The refused one too, under its key.
    for number in 1..10 {
        other.post(SMS, &numbered(number)).await.id();
    }
    database.has_messages(10, PERSISTED).await;

    redis.pause().unwrap();
    ready_answers(&client, 503).await;
    redis.resume().unwrap();
    ready_answers(&client, 200).await;
    client.post(SMS, &numbered(10)).await.id();
    database.has_messages(11, PERSISTED).await;
    assert!(server.is_running() && publisher.is_running());
    server.stop(Duration::from_secs(31)).await;
    publisher.stop(Duration::from_secs(31)).await;
    database.is_sound().await;
}
