//! Many posts while the database fails at random moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::load::post_until_accepted;
use crate::support::server::Setup;
use crate::support::turn;

struct Soak {
    posts: usize,
    connections: usize,
    seed: u64,
    /// The whole run, from the first post to the last row.
    limit: Duration,
    /// Messages that are worked on at once.
    concurrency: usize,
    /// There are at least so many outages.
    outages: u32,
    /// Milliseconds between two outages, and of one.
    calm: std::ops::Range<u64>,
    outage: std::ops::Range<u64>,
}

/// Lets the database fail until `stop`, and as often as it has to; answers how often.
async fn fail_at_random(database: &mut TestDatabase, soak: &Soak, stop: &AtomicBool) -> u32 {
    let mut random = fastrand::Rng::with_seed(soak.seed);
    let mut outages = 0;
    while outages < soak.outages || !stop.load(Ordering::Relaxed) {
        let calm = random.u64(soak.calm.clone());
        // tidy: sleep — the fault's plan, not a wait for something.
        tokio::time::sleep(Duration::from_millis(calm)).await;
        let outage = database.fail().await;
        let length = random.u64(soak.outage.clone());
        // tidy: sleep — the same.
        tokio::time::sleep(Duration::from_millis(length)).await;
        outage.end().await;
        outages += 1;
    }
    outages
}

/// Waits until the queue is empty. Looks seldom, for a look takes time from the server.
async fn is_empty(client: &Client) {
    let mut looks = tokio::time::interval(Duration::from_millis(250));
    loop {
        looks.tick().await;
        if client.metrics().await.depth() == 0 {
            return;
        }
    }
}

async fn soak(mut database: TestDatabase, soak: Soak) {
    println!("seed {}", soak.seed);
    let setup = Setup::new()
        .env("DATABASE_URL", database.url())
        .env("RUST_LOG", "warn,forebay_example_server=info")
        .env("QUEUE_CAPACITY", soak.posts + 1)
        .env("WORKER_CONCURRENCY", soak.concurrency)
        .env("RETRY_MAX_ATTEMPTS", 2)
        .env("RETRY_BACKOFF_BASE", "50ms")
        .env("RETRY_BACKOFF_CAP", "400ms");
    let server = setup.start_ready().await;
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let load = {
        let (stop, address) = (stop.clone(), server.client.address);
        let (posts, connections) = (soak.posts, soak.connections);
        tokio::spawn(async move {
            let posts = post_until_accepted(address, 0..posts, connections).await;
            stop.store(true, Ordering::Relaxed);
            posts
        })
    };
    let outages = fail_at_random(&mut database, &soak, &stop).await;
    let posts = load.await.unwrap();
    println!(
        "{} posts in {:?}, {outages} outages",
        soak.posts,
        start.elapsed()
    );
    assert!(posts.iter().all(|post| post.status == 202));
    let left = soak.limit.saturating_sub(start.elapsed());
    let drained = tokio::time::timeout(left, is_empty(&server.client)).await;
    assert!(
        drained.is_ok(),
        "{} rows after {:?}",
        database.messages().await,
        soak.limit
    );
    assert_eq!(database.messages().await, soak.posts);
    println!("all rows after {:?}", start.elapsed());

    let metrics = server.client.metrics().await;
    assert!(
        metrics.processed("unavailable") > 0,
        "no outage was noticed"
    );
    assert_eq!(metrics.dead_letters(), 0);
    assert_eq!(metrics.processed("dead"), 0);
    let mut ids: Vec<_> = posts.iter().map(|post| &post.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), soak.posts, "two posts have one id");
    database.is_sound().await;
    let counted = database.number("SELECT CAST(sum(message_count) AS BIGINT) FROM conversations");
    assert_eq!(usize::try_from(counted.await).unwrap(), soak.posts);
    assert_eq!(
        database.number("SELECT count(*) FROM conversations").await,
        140
    );
    assert_eq!(database.number("SELECT count(*) FROM customers").await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_posts_while_sqlite_is_locked_at_random() {
    let _turn = turn::alone().await;
    let plan = Soak {
        posts: 50_000,
        connections: 32,
        seed: 0x5eed_0001,
        limit: Duration::from_secs(90),
        concurrency: 128,
        outages: 8,
        calm: 500..2_500,
        outage: 20..1_500,
    };
    soak(TestDatabase::sqlite(), plan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_posts_while_postgres_is_stopped_at_random() {
    let _turn = turn::alone().await;
    let plan = Soak {
        posts: 5_000,
        connections: 16,
        seed: 0x5eed_0002,
        limit: Duration::from_mins(1),
        // More than the store has connections, so that a call waits for one in vain.
        concurrency: 64,
        outages: 6,
        calm: 100..600,
        outage: 20..3_500,
    };
    if let Some(database) = TestDatabase::cluster().await {
        soak(database, plan).await;
    }
}
