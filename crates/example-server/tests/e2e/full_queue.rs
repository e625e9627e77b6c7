//! The queue is full: a clean refusal in time, and life goes on after.

use std::time::{Duration, Instant};

use forebay_tests::wait;

use crate::support::database::TestDatabase;
use crate::support::load::post_once;
use crate::support::queue::TestQueue;
use crate::support::request::{SMS, numbered};
use crate::support::turn;

const CAPACITY: usize = 50;
const PUBLISH_WAIT: Duration = Duration::from_millis(300);
const GRACE: Duration = Duration::from_millis(200);
const DRAINED: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_in_time_and_accepts_again() {
    let _turn = turn::alone().await;
    refuses_in_time(TestQueue::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_in_time_and_accepts_again_on_an_embedded_queue() {
    let _turn = turn::alone().await;
    if let Some(queue) = TestQueue::embedded() {
        refuses_in_time(queue).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_in_time_and_accepts_again_on_redis() {
    let _turn = turn::alone().await;
    if let Some(queue) = TestQueue::redis().await {
        refuses_in_time(queue).await;
    }
}

async fn refuses_in_time(queue: TestQueue) {
    let mut database = TestDatabase::sqlite();
    let setup = queue
        .setup()
        .env("DATABASE_URL", database.url())
        .env("QUEUE_CAPACITY", CAPACITY)
        .env("QUEUE_PUBLISH_WAIT", "300ms")
        .env("RETRY_BACKOFF_BASE", "50ms")
        .env("RETRY_BACKOFF_CAP", "400ms");
    let server = setup.start_ready().await;
    let client = &server.client;
    let outage = database.fail().await;
    let filled = post_once(client.address, 0..CAPACITY, 4).await;
    assert!(filled.iter().all(|post| post.status == 202));

    for number in CAPACITY..CAPACITY + 10 {
        let start = Instant::now();
        let answer = client.post(SMS, &numbered(number)).await;
        let elapsed = start.elapsed();
        let problem = answer.problem(503);
        assert_eq!(problem["type"], "urn:forebay:problem:queue-full");
        let seconds: u32 = answer.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert!(elapsed <= PUBLISH_WAIT + GRACE, "{elapsed:?}");
    }
    // A repeat of what is in the queue takes no place.
    let repeat = client.post(SMS, &numbered(0)).await;
    assert_eq!(repeat.json()["duplicate"], true, "{repeat:?}");
    // Many at once are no slower.
    let crowd = post_once(client.address, 1_000..1_064, 32).await;
    for post in crowd {
        assert_eq!(post.status, 503);
        assert!(post.elapsed <= PUBLISH_WAIT + GRACE, "{:?}", post.elapsed);
    }
    assert!(client.metrics().await.sent("refused") >= 74);

    outage.end().await;
    database.has_messages(CAPACITY, DRAINED).await;
    wait::until("the queue is empty", DRAINED, async || {
        client.metrics().await.depth() == 0
    })
    .await;
    let again = post_once(client.address, CAPACITY..CAPACITY + 10, 4).await;
    assert!(again.iter().all(|post| post.status == 202));
    database.has_messages(CAPACITY + 10, DRAINED).await;
    database.is_sound().await;
}
