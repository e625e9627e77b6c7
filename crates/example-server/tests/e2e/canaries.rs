//! Nothing that a client or the operator keeps secret is ever printed, at the loudest level neither.

use std::time::Duration;

use forebay_tests::wait;
use hyper::Method;
use serde_json::json;

use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::queue::TestQueue;
use crate::support::request::{EMAIL, SMS, email, sms, with};
use crate::support::server::{Server, Setup};
use crate::support::turn;

const SETTLED: Duration = Duration::from_secs(15);
const API_TOKEN: &str = "c4nary-api-token-11";
const ADMIN_TOKEN: &str = "c4nary-admin-token-12";

/// What must not be printed, and where it was.
const SECRETS: &[(&str, &str)] = &[
    ("a body", "c4nary-body"),
    ("a subject", "c4nary-subject"),
    ("a mailbox", "c4nary-mailbox"),
    ("a sender's number", "2025550177"),
    ("a recipient's number", "2025550188"),
    ("metadata", "c4nary-metadata"),
    ("a key", "c4nary-key"),
    ("a key header", "c4nary-header-key"),
    ("the API's token", API_TOKEN),
    ("the administrator's token", ADMIN_TOKEN),
    ("a wrong token", "c4nary-wrong-token"),
    ("the database's password", "c4nary-password"),
    ("an invalid body", "c4nary-invalid"),
    ("a query", "c4nary-query"),
    ("a header", "c4nary-other-header"),
];

/// Everything that a client can do, with a secret wherever one can be.
async fn session(server: &Server, database: &TestDatabase) {
    let client = server.client.token(API_TOKEN);
    let fields = json!({
        "from": "+12025550177", "to": "+12025550188", "body": "c4nary-body", "idempotencyKey": "c4nary-key",
        "metadata": {"c4nary-metadata": "c4nary-metadata"},
    });
    let text = with(sms(), &fields);
    client.post(SMS, &text).await.id();
    client.post(SMS, &text).await.id();
    let other = with(text, &json!({"body": "c4nary-body-2"}));
    client.post(SMS, &other).await.problem(422);
    let fields = json!({
        "from": "c4nary-mailbox@example.com", "to": "c4nary-mailbox+tag@example.org",
        "subject": "c4nary-subject", "body": "c4nary-body",
    });
    let mail = with(email(), &fields);
    client
        .post_with_key(EMAIL, "c4nary-header-key", &mail)
        .await
        .id();
    database.has_messages(2, SETTLED).await;
    poison(&client, database).await;
    refusals(server, &client).await;
    for path in ["/api/conversations", "/metrics", "/openapi.json", "/readyz"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
}

/// Dead letters: the database itself talks of what it refuses.
async fn poison(client: &Client, database: &TestDatabase) {
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON messages
                   BEGIN SELECT RAISE(ABORT, 'refused'); END";
    let check = "ALTER TABLE messages ADD CONSTRAINT refuse CHECK (from_address = '') NOT VALID";
    let is_sqlite = matches!(database, TestDatabase::Sqlite(_));
    database
        .execute(if is_sqlite { trigger } else { check })
        .await;
    let fields = json!({
        "from": "+12025550177", "to": "+12025550188", "body": "c4nary-body-3", "idempotencyKey": "c4nary-key-3",
    });
    client.post(SMS, &with(sms(), &fields)).await.id();
    wait::until("there is a dead letter", SETTLED, async || {
        client.metrics().await.dead_letters() == 1
    })
    .await;
    // The administrator's token instead of the API's.
    let admin = client.token(ADMIN_TOKEN);
    let list = admin.get("/api/dead-letters").await;
    assert_eq!(list.status, 200, "{list:?}");
    for (what, secret) in SECRETS {
        assert!(
            !list.text().contains(secret),
            "{what} is in {}",
            list.text()
        );
    }
    admin.post("/api/dead-letters/redrive", &json!({})).await;
}

async fn refusals(server: &Server, client: &Client) {
    for body in [
        "{\"body\":\"c4nary-invalid",
        "{\"body\":\"c4nary-invalid\"}",
        "\"c4nary-invalid\"",
    ] {
        let json = [
            ("content-type", "application/json"),
            ("x-other", "c4nary-other-header"),
        ];
        let answer = client.send(Method::POST, SMS, &json, body).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    client
        .get("/api/conversations?cursor=c4nary-query")
        .await
        .problem(400);
    client.get("/api/messages/c4nary-query").await;
    let wrong = server.client.token("c4nary-wrong-token");
    wrong.get("/api/conversations").await.problem(401);
    wrong.get("/api/dead-letters").await.problem(401);
}

fn assert_silent(server: &Server) {
    let lines = server.output.all();
    let loud = lines.iter().filter(|line| line.contains("TRACE")).count();
    assert!(loud > 5, "the loudest level is not loud: {loud} lines");
    for (what, secret) in SECRETS {
        let leak = lines.iter().find(|line| line.contains(secret));
        assert_eq!(leak, None, "{what} was printed");
    }
}

async fn prints_no_secret(database: TestDatabase, url: &str, format: &str, filter: &str) {
    let queue = TestQueue::Memory;
    let server = session_on(&queue, &database, url, format, filter).await;
    assert_silent(&server);
}

/// A whole session; answers the server after its end.
async fn session_on(
    queue: &TestQueue,
    database: &TestDatabase,
    url: &str,
    format: &str,
    filter: &str,
) -> Server {
    let setup = queue
        .setup()
        .env("DATABASE_URL", url)
        .env("RUST_LOG", filter)
        .env("LOG_FORMAT", format)
        .env("API_TOKEN", API_TOKEN)
        .env("ADMIN_TOKEN", ADMIN_TOKEN);
    let mut server = setup.start_ready().await;
    session(&server, database).await;
    server.stop(Duration::from_secs(31)).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_at_trace_prints_no_secret_on_sqlite() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let url = database.url();
    prints_no_secret(database, &url, "json", "trace").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_at_trace_prints_no_secret_on_postgres() {
    let _turn = turn::together().await;
    if let Some(database) = TestDatabase::postgres().await {
        // The server trusts everybody, so any password will do.
        let url = with_password(&database.url());
        prints_no_secret(database, &url, "pretty", "trace").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_statements_logged_prints_no_secret() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let url = database.url();
    prints_no_secret(database, &url, "json", "trace,sqlx=trace").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_at_trace_prints_no_secret_on_redis() {
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::redis_with_accounts().await else {
        return;
    };
    let database = TestDatabase::sqlite();
    let server = session_on(&queue, &database, &database.url(), "json", "trace").await;
    assert_silent(&server);
    let url = url::Url::parse(queue.url()).unwrap();
    let address = format!("127.0.0.1:{}", url.port().unwrap());
    for secret in [url.password().unwrap(), &address] {
        let lines = server.output.all();
        let leak = lines.iter().find(|line| line.contains(secret));
        assert_eq!(leak, None, "of the queue's address");
    }
}

fn with_password(url: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_password(Some("c4nary-password")).unwrap();
    url.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_database_is_named_without_its_password() {
    let _turn = turn::together().await;
    // Nobody listens on port 1.
    let url = "postgres://ann:c4nary-password@127.0.0.1:1/c4nary-password";
    let setup = Setup::new()
        .env("DATABASE_URL", url)
        .env("RUST_LOG", "trace")
        .env("SHUTDOWN_TIMEOUT", "1s");
    let mut server = setup.start().await;
    assert_eq!(server.client.get("/readyz").await.status, 503);
    server.client.post(SMS, &sms()).await.id();
    server.stop(Duration::from_secs(2)).await;
    for line in server.output.all() {
        assert!(!line.contains("c4nary-password"), "{line}");
    }
}
