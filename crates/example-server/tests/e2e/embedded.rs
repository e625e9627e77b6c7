//! The server on a queue in a directory: nothing to install, one process at a time, and a crash loses nothing.

use std::time::Duration;

use forebay_tests::wait;

use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::load::post_once;
use crate::support::queue::TestQueue;
use crate::support::request::{SMS, sms};
use crate::support::server::Setup;
use crate::support::turn;

const PERSISTED: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(31);
/// A start that fails does so at once.
const REFUSED: Duration = Duration::from_secs(10);

fn setup(queue: &TestQueue, database: &TestDatabase) -> Setup {
    queue
        .setup()
        .env("DATABASE_URL", database.url())
        .env("QUEUE_LEASE", "1s")
        .env("RETRY_BACKOFF_BASE", "50ms")
        .env("RETRY_BACKOFF_CAP", "400ms")
}

/// Messages in this state.
async fn depth(client: &Client, state: &str) -> u64 {
    let metrics = client.metrics().await;
    metrics.sum("messaging_queue_depth", &[("state", state)])
}

async fn is_empty(client: &Client) {
    let is_empty = async || client.metrics().await.depth() == 0;
    wait::until("the queue is empty", PERSISTED, is_empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_had_accepted_its_successor_persists() {
    const POSTS: usize = 60;
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::embedded() else {
        return;
    };
    let mut database = TestDatabase::sqlite();
    let setup = setup(&queue, &database);
    let mut server = setup.clone().start_ready().await;
    // Nothing that it has can be finished.
    let outage = database.fail().await;
    let posts = post_once(server.client.address, 0..POSTS, 4).await;
    assert!(posts.iter().all(|post| post.status == 202));
    let holds = async || depth(&server.client, "leased").await > 0;
    wait::until("the worker holds messages", PERSISTED, holds).await;
    server.kill().await;
    outage.end().await;
    assert_eq!(database.messages().await, 0);

    let server = setup.clone().start_ready().await;
    database.has_messages(POSTS, PERSISTED).await;
    is_empty(&server.client).await;
    assert_eq!(server.client.metrics().await.dead_letters(), 0);
    database.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_server_had_left_its_successor_persists() {
    const POSTS: usize = 20;
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::embedded() else {
        return;
    };
    let database = TestDatabase::sqlite();
    for sync in ["always", "100ms", "never"] {
        // Only a power cut asks for more than that.
        let setup = setup(&queue, &database).env("QUEUE_SYNC", sync);
        let publisher = setup.clone().env("WORKER_ENABLED", false);
        let mut server = publisher.start_ready().await;
        let before = database.messages().await;
        let posts = post_once(server.client.address, before..before + POSTS, 4).await;
        assert!(posts.iter().all(|post| post.status == 202));
        // By a crash, or as it should be.
        if sync == "never" {
            server.kill().await;
        } else {
            server.stop(LIMIT).await;
        }
        let mut server = setup.start_ready().await;
        database.has_messages(before + POSTS, PERSISTED).await;
        is_empty(&server.client).await;
        server.stop(LIMIT).await;
    }
    database.is_sound().await;
}

/// One line that names the directory.
fn is_refused(stderr: &str, queue: &TestQueue, says: &str) {
    let TestQueue::Embedded(folder) = queue else {
        unreachable!("there is a directory")
    };
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let directory = folder.path().display().to_string();
    assert!(stderr.contains(&directory), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_directory_is_refused_and_the_first_unharmed() {
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::embedded() else {
        return;
    };
    let database = TestDatabase::sqlite();
    let setup = setup(&queue, &database);
    let server = setup.clone().start_ready().await;
    let (status, _, stderr) = setup.clone().run(REFUSED).await;
    assert_eq!(status.code(), Some(1), "{stderr}");
    is_refused(&stderr, &queue, "in use by another process");
    let (status, _, stderr) = setup.run_worker(REFUSED).await;
    assert_eq!(status.code(), Some(1), "{stderr}");
    is_refused(&stderr, &queue, "in use by another process");
    server.client.post(SMS, &sms()).await.id();
    database.has_messages(1, PERSISTED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_alone_is_told_that_nobody_shares_the_queue() {
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::embedded() else {
        return;
    };
    let database = TestDatabase::sqlite();
    let (status, _, stderr) = setup(&queue, &database).run_worker(REFUSED).await;
    assert_eq!(status.code(), Some(2), "{stderr}");
    let says = "QUEUE_BACKEND=sqlite: a sqlite queue cannot be shared between processes";
    let line = stderr.lines().last().unwrap();
    assert!(line.starts_with(says), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_directory_is_refused_and_left_as_it_is() {
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::embedded() else {
        return;
    };
    let TestQueue::Embedded(folder) = &queue else {
        unreachable!("there is a directory")
    };
    std::fs::write(folder.path().join("letters.txt"), "mine").unwrap();
    let database = TestDatabase::sqlite();
    let (status, _, stderr) = setup(&queue, &database).run(REFUSED).await;
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    is_refused(&stderr, &queue, "is no store for this backend");
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1);
}
