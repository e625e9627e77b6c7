//! The database is down, and the service goes on accepting.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use forebay_tests::wait;

use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::load::{Post, post_once, quantile};
use crate::support::queue::TestQueue;
use crate::support::server::Server;
use crate::support::turn;

const WARM_UP: usize = 20;
/// Posts come in waves, so that some meet each stage of the outage.
const WAVES: usize = 4;
const WAVE: usize = 100;
const POSTS: usize = WAVES * WAVE;
/// Much longer than any back-off below, and longer than a call of the store.
const OUTAGE: Duration = Duration::from_secs(9);
/// How fast `/readyz` has to tell the truth.
const TRUTH: Duration = Duration::from_secs(5);
/// From the end of the outage until the queue is empty.
const DRAINED: Duration = Duration::from_secs(30);

async fn start(database: &TestDatabase, queue: &TestQueue, attempts: u32) -> Server {
    let setup = queue
        .setup()
        .env("DATABASE_URL", database.url())
        .env("RETRY_MAX_ATTEMPTS", attempts)
        .env("RETRY_BACKOFF_BASE", "50ms")
        .env("RETRY_BACKOFF_CAP", "400ms");
    setup.start_ready().await
}

/// Waits until `/readyz` answers with this status, and no longer than it may take to tell the truth.
pub(crate) async fn ready_answers(client: &Client, status: u16) -> Duration {
    let start = Instant::now();
    let what = format!("/readyz answers {status}");
    wait::until(&what, TRUTH, async || {
        client.get("/readyz").await.status == status
    })
    .await;
    // A slow answer counts as well.
    assert!(start.elapsed() <= TRUTH + Duration::from_millis(100));
    start.elapsed()
}

async fn waves(address: SocketAddr) -> Vec<Post> {
    let mut pace = tokio::time::interval(OUTAGE / 4);
    let mut posts = Vec::new();
    for wave in 0..WAVES {
        pace.tick().await;
        let start = WARM_UP + wave * WAVE;
        posts.extend(post_once(address, start..start + WAVE, 8).await);
    }
    posts
}

async fn outage(mut database: TestDatabase, queue: TestQueue, attempts: u32) {
    let server = start(&database, &queue, attempts).await;
    let address = server.client.address;
    post_once(address, 0..WARM_UP, 4).await;
    database.has_messages(WARM_UP, DRAINED).await;

    let outage = database.fail().await;
    let began = Instant::now();
    let posts = tokio::spawn(waves(address));
    let unready = ready_answers(&server.client, 503).await;
    let posts = posts.await.unwrap();
    for post in &posts {
        assert_eq!(post.status, 202, "post {}", post.number);
    }
    let p95 = quantile(posts.iter().map(|post| post.elapsed), 0.95);
    println!("unready after {unready:?}, p95 of {POSTS} posts in the outage: {p95:?}");
    assert!(p95 <= Duration::from_millis(200), "{p95:?}");
    assert_eq!(server.client.get("/healthz").await.status, 200);

    // tidy: sleep — the outage has to last; what follows holds whenever it ends.
    tokio::time::sleep(OUTAGE.saturating_sub(began.elapsed())).await;
    let metrics = server.client.metrics().await;
    assert!(
        metrics.processed("unavailable") > 1,
        "the fault never fired"
    );
    assert!(metrics.depth() >= 1, "there is no backlog");
    outage.end().await;
    let ready = ready_answers(&server.client, 200).await;
    let ended = Instant::now();
    database.has_messages(WARM_UP + POSTS, DRAINED).await;
    println!("ready after {ready:?}, drained after {:?}", ended.elapsed());

    wait::until("the queue is empty", TRUTH, async || {
        server.client.metrics().await.depth() == 0
    })
    .await;
    let metrics = server.client.metrics().await;
    assert_eq!(metrics.dead_letters(), 0, "an attempt was spent");
    for outcome in ["dead", "reject", "retry"] {
        assert_eq!(metrics.processed(outcome), 0, "{outcome}");
    }
    database.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_sqlite_costs_nothing() {
    let _turn = turn::alone().await;
    outage(TestDatabase::sqlite(), TestQueue::Memory, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_postgres_costs_nothing() {
    let _turn = turn::alone().await;
    if let Some(database) = TestDatabase::cluster().await {
        outage(database, TestQueue::Memory, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_sqlite_costs_nothing_with_the_queue_on_redis() {
    let _turn = turn::alone().await;
    if let Some(queue) = TestQueue::redis().await {
        outage(TestDatabase::sqlite(), queue, 1).await;
    }
}
