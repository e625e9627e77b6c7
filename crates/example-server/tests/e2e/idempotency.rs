//! One message per key, customer and channel, whoever repeats it and how.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::client::Answer;
use crate::support::database::TestDatabase;
use crate::support::queue::TestQueue;
use crate::support::request::{CUSTOMER, EMAIL, SMS, email, sms, with};
use crate::support::server::{Server, Setup};
use crate::support::turn;

const PERSISTED: Duration = Duration::from_secs(10);

async fn start(database: &TestDatabase) -> Server {
    let setup = Setup::new().env("DATABASE_URL", database.url());
    setup.start_ready().await
}

fn is_duplicate_of(answer: &Answer, first: &Answer) {
    assert_eq!(answer.id(), first.id());
    assert_eq!(answer.json()["duplicate"], true);
    assert_eq!(
        answer.json()["idempotencyKey"],
        first.json()["idempotencyKey"]
    );
    assert_eq!(answer.header("location"), first.header("location"));
}

fn keyed(request: Value, key: &str) -> Value {
    with(request, &json!({ "idempotencyKey": key }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_counts_in_the_body_in_the_header_and_in_both() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let client = &server.client;
    let first = client.post(SMS, &keyed(sms(), "k")).await;
    assert_eq!(first.json()["duplicate"], false);
    is_duplicate_of(&client.post(SMS, &keyed(sms(), "k")).await, &first);
    is_duplicate_of(&client.post_with_key(SMS, "k", &sms()).await, &first);
    is_duplicate_of(
        &client.post_with_key(SMS, "k", &keyed(sms(), "k")).await,
        &first,
    );
    let answer = client.post_with_key(SMS, "other", &keyed(sms(), "k")).await;
    let problem = answer.problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/idempotencyKey");
    database.has_messages(1, PERSISTED).await;
    // Still a duplicate once it is persisted.
    is_duplicate_of(&client.post(SMS, &keyed(sms(), "k")).await, &first);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fingerprint_compares_the_normalised_request() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let client = &server.client;
    let base = with(keyed(sms(), "k"), &json!({"metadata": {"a": 1, "b": [2]}}));
    let first = client.post(SMS, &base).await;
    let same =
        json!({"from": "+12025550100", "to": "+1-202-555-0123", "metadata": {"b": [2], "a": 1}});
    is_duplicate_of(&client.post(SMS, &with(base.clone(), &same)).await, &first);
    for other in [
        json!({"body": "another"}),
        json!({"to": "+12025550124"}),
        json!({"from": "+12025550124"}),
        json!({"sentAt": "2026-01-02T03:04:05Z"}),
        json!({"metadata": {"a": 1, "b": [3]}}),
        json!({"metadata": {}}),
    ] {
        let answer = client.post(SMS, &with(base.clone(), &other)).await;
        let problem = answer.problem(422);
        let kind = "urn:forebay:problem:idempotency-key-reused";
        assert_eq!(problem["type"], kind, "{other}");
    }
    database.has_messages(1, PERSISTED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_customer_and_channel() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let other = json!({"customerId": Uuid::from_u128(CUSTOMER.as_u128() + 1)});
    let requests = [
        (SMS, keyed(sms(), "k")),
        (SMS, with(keyed(sms(), "k"), &other)),
        (EMAIL, keyed(email(), "k")),
        (EMAIL, with(keyed(email(), "k"), &other)),
    ];
    let mut ids = Vec::new();
    for (path, body) in &requests {
        let answer = server.client.post(path, body).await;
        assert_eq!(answer.json()["duplicate"], false, "{answer:?}");
        ids.push(answer.id());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    database.has_messages(4, PERSISTED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_the_same_sent_at_is_the_same_message_and_none_is_a_new_one() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let at = with(sms(), &json!({"sentAt": "2026-01-02T03:04:05Z"}));
    let first = server.client.post(SMS, &at).await;
    is_duplicate_of(&server.client.post(SMS, &at).await, &first);
    // 1 and a half seconds, so that two servers' seconds differ as well.
    let plain = server.client.post(SMS, &sms()).await;
    assert_ne!(plain.id(), first.id());
    forebay_tests::wait::until("a later second is another message", PERSISTED, async || {
        let answer = server.client.post(SMS, &sms()).await;
        answer.id() != plain.id()
    })
    .await;
}

/// Half of the posts go to another server, where the queue is shared.
async fn fifty_at_once(database: TestDatabase, queue: TestQueue) {
    let setup = queue.setup().env("DATABASE_URL", database.url());
    let service = queue.serve(setup.clone()).await;
    let mut clients = vec![service.client().clone()];
    let other = match queue {
        TestQueue::Memory | TestQueue::Embedded(_) => None,
        TestQueue::Redis(..) => Some(setup.start_ready().await),
    };
    clients.extend(other.iter().map(|server| server.client.clone()));
    let mut posts = JoinSet::new();
    for number in 0..50 {
        let client = clients[number / 2 % clients.len()].clone();
        posts.spawn(async move {
            if number % 2 == 0 {
                client.post(SMS, &keyed(sms(), "one")).await
            } else {
                client.post_with_key(SMS, "one", &sms()).await
            }
        });
    }
    let answers = posts.join_all().await;
    let first = answers.iter().filter(|a| a.json()["duplicate"] == false);
    assert_eq!(first.count(), 1);
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    database.has_messages(1, PERSISTED).await;
    database.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_of_one_key_at_once_are_one_row_on_sqlite() {
    let _turn = turn::together().await;
    fifty_at_once(TestDatabase::sqlite(), TestQueue::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_of_one_key_at_once_are_one_row_on_postgres() {
    let _turn = turn::together().await;
    if let Some(database) = TestDatabase::postgres().await {
        fifty_at_once(database, TestQueue::Memory).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_of_one_key_to_two_servers_at_once_are_one_row_on_redis() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::redis().await {
        fifty_at_once(TestDatabase::sqlite(), queue).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_of_one_key_at_once_are_one_row_on_an_embedded_queue() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::embedded() {
        fifty_at_once(TestDatabase::sqlite(), queue).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_the_queue_but_not_the_rows() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let mut server = start(&database).await;
    server.client.post(SMS, &keyed(sms(), "k")).await.id();
    server.stop(Duration::from_secs(31)).await;
    let server = start(&database).await;
    // The memory queue knows nothing of it any more; the database still has one row.
    server.client.post(SMS, &keyed(sms(), "k")).await.id();
    let done = async || server.client.metrics().await.processed("done") >= 1;
    forebay_tests::wait::until("the repeat is processed", PERSISTED, done).await;
    assert_eq!(database.messages().await, 1);
    database.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_key_on_redis() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::redis().await {
        forgets_no_key(queue).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_key_on_an_embedded_queue() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::embedded() {
        forgets_no_key(queue).await;
    }
}

async fn forgets_no_key(queue: TestQueue) {
    let database = TestDatabase::sqlite();
    let setup = queue.setup().env("DATABASE_URL", database.url());
    let mut server = setup.clone().start_ready().await;
    let first = server.client.post(SMS, &keyed(sms(), "k")).await;
    server.stop(Duration::from_secs(31)).await;
    let server = setup.start_ready().await;
    is_duplicate_of(&server.client.post(SMS, &keyed(sms(), "k")).await, &first);
    let other = with(keyed(sms(), "k"), &json!({"body": "another"}));
    server.client.post(SMS, &other).await.problem(422);
    database.has_messages(1, PERSISTED).await;
}
