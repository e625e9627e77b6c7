//! Messages that the database will never take: seen, brought back, deleted, behind a token.

use std::time::Duration;

use forebay_tests::wait;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::queue::TestQueue;
use crate::support::request::{SMS, sms, with};
use crate::support::server::{Server, Setup};
use crate::support::turn;

const TOKEN: &str = "the-token-of-the-administrator-7f3a91c2";
const LIST: &str = "/api/dead-letters";
const REDRIVE: &str = "/api/dead-letters/redrive";
const SETTLED: Duration = Duration::from_secs(10);

async fn start(database: &TestDatabase) -> Server {
    setup(database, &TestQueue::Memory).start_ready().await
}

fn setup(database: &TestDatabase, queue: &TestQueue) -> Setup {
    queue
        .setup()
        .env("DATABASE_URL", database.url())
        .env("ADMIN_TOKEN", TOKEN)
        .env("RETRY_BACKOFF_BASE", "10ms")
}

/// From here on, the database takes no message with this body.
async fn refuse_poison(database: &TestDatabase) {
    let sqlite =
        "CREATE TRIGGER refuse_poison BEFORE INSERT ON message_bodies WHEN NEW.body LIKE 'poison%'
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    let postgres =
        "ALTER TABLE message_bodies ADD CONSTRAINT refuse_poison CHECK (body NOT LIKE 'poison%')";
    match database {
        TestDatabase::Sqlite(_) => database.execute(sqlite).await,
        _ => database.execute(postgres).await,
    }
}

async fn take_poison(database: &TestDatabase) {
    let sqlite = "DROP TRIGGER refuse_poison";
    let postgres = "ALTER TABLE message_bodies DROP CONSTRAINT refuse_poison";
    match database {
        TestDatabase::Sqlite(_) => database.execute(sqlite).await,
        _ => database.execute(postgres).await,
    }
}

async fn state(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/messages/{id}")).await.json()["state"].clone()
}

async fn dead(client: &Client, id: &str) {
    let what = "the message is dead";
    wait::until(what, SETTLED, async || state(client, id).await == "dead").await;
}

async fn items(admin: &Client) -> Vec<Value> {
    let answer = admin.get(LIST).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

async fn dead_letters(database: TestDatabase, queue: TestQueue) {
    let service = queue.serve(setup(&database, &queue)).await;
    let client = service.client();
    let admin = client.token(TOKEN);
    assert_eq!(items(&admin).await, [Value::Null; 0]);

    refuse_poison(&database).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let fields = json!({"body": format!("poison-c4nary {number}"), "idempotencyKey": format!("c4nary-{number}")});
        ids.push(client.post(SMS, &with(sms(), &fields)).await.id());
    }
    // The others go past it.
    client.post(SMS, &sms()).await.id();
    database.has_messages(1, SETTLED).await;
    for id in &ids {
        dead(client, id).await;
    }
    let listed = items(&admin).await;
    assert_eq!(listed.len(), 3, "{listed:?}");
    for item in &listed {
        assert!(
            ids.contains(&item["id"].as_str().unwrap().to_owned()),
            "{item}"
        );
        assert!(
            item["reason"].as_str().is_some_and(|r| !r.is_empty()),
            "{item}"
        );
    }
    let text = serde_json::to_string(&listed).unwrap();
    for secret in ["c4nary", "2025550"] {
        assert!(!text.contains(secret), "{text}");
    }
    let counted = async || client.metrics().await.dead_letters() == 3;
    wait::until("the dead letters are counted", SETTLED, counted).await;

    // One is deleted, the others are brought back and now taken.
    let path = format!("{LIST}/{}", ids[0]);
    let delete = async || admin.send(Method::DELETE, &path, &[], "").await;
    let deleted = delete().await;
    assert!((200..300).contains(&deleted.status), "{deleted:?}");
    delete().await.problem(404);
    take_poison(&database).await;
    let redriven = admin.post(REDRIVE, &json!({})).await;
    assert!((200..300).contains(&redriven.status), "{redriven:?}");
    database.has_messages(3, SETTLED).await;
    for id in &ids[1..] {
        wait::until("the message is persisted", SETTLED, async || {
            state(client, id).await == "persisted"
        })
        .await;
    }
    assert_eq!(items(&admin).await.len(), 0);
    database.is_sound().await;
    let log = service.lines().join("\n");
    for secret in ["c4nary", "2025550", TOKEN] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_deleted_and_redriven_on_sqlite() {
    let _turn = turn::together().await;
    dead_letters(TestDatabase::sqlite(), TestQueue::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_deleted_and_redriven_on_postgres() {
    let _turn = turn::together().await;
    if let Some(database) = TestDatabase::postgres().await {
        dead_letters(database, TestQueue::Memory).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_another_process_are_listed_deleted_and_redriven_on_redis() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::redis().await {
        dead_letters(TestDatabase::sqlite(), queue).await;
    }
}

/// The three routes, each with its method.
fn routes() -> [(Method, String); 3] {
    let id = crate::support::request::CUSTOMER;
    [
        (Method::GET, LIST.to_owned()),
        (Method::POST, REDRIVE.to_owned()),
        (Method::DELETE, format!("{LIST}/{id}")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_behind_the_token() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let longer = format!("Bearer {TOKEN}x");
    let shorter = format!("Bearer {}", &TOKEN[1..]);
    let basic = format!("Basic {TOKEN}");
    let wrong = [
        longer.as_str(),
        &shorter,
        &basic,
        TOKEN,
        "Bearer ",
        "Bearer",
        "",
    ];
    for (method, path) in routes() {
        let send = async |headers: &[(&str, &str)]| {
            server.client.send(method.clone(), &path, headers, "").await
        };
        let answer = send(&[]).await;
        answer.problem(401);
        assert!(
            answer.header("www-authenticate").starts_with("Bearer"),
            "{answer:?}"
        );
        for value in wrong {
            let answer = send(&[("authorization", value)]).await;
            answer.problem(401);
            assert!(!answer.text().contains(TOKEN));
        }
        let twice = [
            ("authorization", "Bearer x"),
            ("authorization", &longer[..]),
        ];
        send(&twice).await.problem(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_off_without_a_token() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let setup = Setup::new().env("DATABASE_URL", database.url());
    let server = setup.start_ready().await;
    for (method, path) in routes() {
        for headers in [&[][..], &[("authorization", "Bearer x")]] {
            let answer = server.client.send(method.clone(), &path, headers, "").await;
            answer.problem(404);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_token_guards_the_api_and_not_the_probes() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let token = "the-token-of-the-api-51e0d7aa";
    let setup = Setup::new()
        .env("DATABASE_URL", database.url())
        .env("API_TOKEN", token);
    let server = setup.start_ready().await;
    assert_eq!(server.client.get("/healthz").await.status, 200);
    server.client.post(SMS, &sms()).await.problem(401);
    server.client.get("/api/conversations").await.problem(401);
    let api = server.client.token(token);
    api.post(SMS, &sms()).await.id();
    assert_eq!(api.get("/api/conversations").await.status, 200);
    database.has_messages(1, SETTLED).await;
}
