//! The halves of the service as processes of their own, on a queue that they share: each comes and goes, and nothing is
//! lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_tests::redis::RedisServer;
use forebay_tests::wait;

use crate::shutdown::post_until_refused;
use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::load::post_once;
use crate::support::queue::{Service, TestQueue, breakable};
use crate::support::request::{SMS, sms};
use crate::support::server::Setup;
use crate::support::turn;

const PERSISTED: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(1);

fn setup(queue: &TestQueue, database: &TestDatabase) -> Setup {
    queue
        .setup()
        .env("DATABASE_URL", database.url())
        .env("SHUTDOWN_TIMEOUT", format!("{}s", LIMIT.as_secs()))
        .env("RETRY_BACKOFF_BASE", "50ms")
        .env("RETRY_BACKOFF_CAP", "400ms")
}

/// Messages in this state.
async fn depth(client: &Client, state: &str) -> u64 {
    let metrics = client.metrics().await;
    metrics.sum("messaging_queue_depth", &[("state", state)])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_held_another_one_persists() {
    const POSTS: usize = 60;
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::redis().await else {
        return;
    };
    let mut database = TestDatabase::sqlite();
    let setup = setup(&queue, &database).env("QUEUE_LEASE", "1s");
    let service = queue.serve(setup.clone()).await;
    let client = service.client().clone();
    let mut first = service.worker.unwrap();
    // It cannot finish what it has.
    let outage = database.fail().await;
    let posts = post_once(client.address, 0..POSTS, 4).await;
    assert!(posts.iter().all(|post| post.status == 202));
    let holds = async || depth(&client, "leased").await > 0;
    wait::until("the worker holds messages", PERSISTED, holds).await;
    first.kill().await;
    assert!(depth(&client, "leased").await > 0, "nothing gave them back");
    outage.end().await;
    assert_eq!(database.messages().await, 0);

    let mut second = setup.start_worker().await;
    database.has_messages(POSTS, PERSISTED).await;
    let is_empty = async || client.metrics().await.depth() == 0;
    wait::until("the queue is empty", PERSISTED, is_empty).await;
    assert_eq!(client.metrics().await.dead_letters(), 0);
    second.stop(LIMIT + GRACE).await;
    database.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_leaves_nothing_half_done() {
    const POSTS: usize = 400;
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::redis().await else {
        return;
    };
    let database = TestDatabase::sqlite();
    // The lease outlives the test: what the worker does not give back, nobody gets.
    let setup = setup(&queue, &database).env("QUEUE_LEASE", "10m");
    let service = queue.serve(setup.clone()).await;
    let client = service.client().clone();
    let mut worker = service.worker.unwrap();
    let address = client.address;
    let posts = tokio::spawn(async move { post_once(address, 0..POSTS, 8).await });
    let begun = async || database.messages().await >= 20;
    wait::until("the worker is at work", PERSISTED, begun).await;
    worker.stop(LIMIT + GRACE).await;
    assert_eq!(depth(&client, "leased").await, 0, "it kept messages");
    let rows = database.messages().await;
    let posts = posts.await.unwrap();
    assert!(posts.iter().all(|post| post.status == 202));
    let left = client.metrics().await.depth();
    assert_eq!(rows + usize::try_from(left).unwrap(), POSTS);
    let mut worker = setup.start_worker().await;
    database.has_messages(POSTS, PERSISTED).await;
    worker.stop(LIMIT + GRACE).await;
    database.is_sound().await;
}

/// Both halves are told to stop under load; what was accepted is persisted by their successors.
async fn round(queue: &TestQueue, database: &TestDatabase, round: usize) {
    let mut service = queue.serve(setup(queue, database)).await;
    let progress = Arc::new(AtomicUsize::new(0));
    let load = post_until_refused(service.client().address, progress.clone());
    let load = tokio::spawn(load);
    let enough = 50 + 37 * round;
    wait::until("the load is on its way", PERSISTED, async || {
        progress.load(Ordering::Relaxed) >= enough
    })
    .await;
    let Service { server, worker } = &mut service;
    let worker = worker.as_mut().unwrap();
    tokio::join!(server.stop(LIMIT + GRACE), worker.stop(LIMIT + GRACE));
    let sent = load.await.unwrap();
    let service = queue.serve(setup(queue, database)).await;
    let is_empty = async || service.client().metrics().await.depth() == 0;
    wait::until("the queue is empty", PERSISTED, is_empty).await;
    let (accepted, rows) = (sent.accepted.len(), database.messages().await);
    println!("round {round}: {accepted} accepted, {rows} rows");
    assert!(accepted >= enough && rows >= accepted);
    assert!(rows <= accepted + sent.unknown, "{rows} rows of {accepted}");
    database.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_to_both_halves_under_load_loses_nothing_on_redis() {
    let _turn = turn::alone().await;
    for number in 0..3 {
        // Each with a queue of its own: the same keys count again.
        let Some(queue) = TestQueue::redis().await else {
            return;
        };
        round(&queue, &TestDatabase::sqlite(), number).await;
    }
}

/// All commands that the server has run, those of scripts too.
fn commands(redis: &RedisServer) -> u64 {
    let info = redis.call(&["INFO", "commandstats"]).unwrap();
    let lines = info.text().unwrap().lines();
    let calls = lines.filter_map(|line| line.split_once(":calls=")?.1.split_once(','));
    calls.map(|(calls, _)| calls.parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_rest_a_worker_asks_redis_for_two_commands_a_second() {
    let _turn = turn::together().await;
    let Some(redis) = breakable().await else {
        return;
    };
    let database = TestDatabase::sqlite();
    let setup = Setup::new()
        .env("DATABASE_URL", database.url())
        .env("QUEUE_BACKEND", "redis")
        .env("REDIS_URL", redis.url());
    let publisher = setup.clone().env("WORKER_ENABLED", false);
    let server = publisher.start_ready().await;
    let mut worker = setup.start_worker().await;
    server.client.post(SMS, &sms()).await.id();
    database.has_messages(1, PERSISTED).await;
    let is_empty = async || server.client.metrics().await.depth() == 0;
    wait::until("the queue is empty", PERSISTED, is_empty).await;
    let span = Duration::from_secs(10);
    let before = commands(&redis);
    // tidy: sleep — nothing is waited for: this is the span in which commands are counted.
    tokio::time::sleep(span).await;
    // One of them is the first question.
    let commands = commands(&redis) - before - 1;
    println!("{commands} commands in {span:?}");
    assert!(commands <= 20, "{commands} commands in {span:?}");
    worker.stop(LIMIT + GRACE).await;
}
