//! The main job: accept, publish, persist, show.

use std::time::Duration;

use forebay_tests::wait;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::database::TestDatabase;
use crate::support::queue::TestQueue;
use crate::support::request::{CUSTOMER, EMAIL, SMS, email, sms, with};
use crate::support::server::{Server, Setup};
use crate::support::turn;

/// From an accepted post to its row.
const PERSISTED: Duration = Duration::from_secs(10);

async fn start(database: &TestDatabase) -> Server {
    let setup = Setup::new().env("DATABASE_URL", database.url());
    setup.start_ready().await
}

async fn state(client: &Client, location: &str) -> String {
    let answer = client.get(location).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["state"].as_str().unwrap().to_owned()
}

/// Follows a message until it is persisted, through no state that it may not have on the way.
async fn is_persisted(client: &Client, accepted: &Answer) {
    let location = accepted.header("location");
    wait::until("the message is persisted", PERSISTED, async || {
        let state = state(client, location).await;
        let known = ["queued", "processing", "persisted"];
        assert!(known.contains(&state.as_str()), "{state}");
        state == "persisted"
    })
    .await;
}

async fn posted(client: &Client, path: &str, body: &Value) -> Answer {
    let answer = client.post(path, body).await;
    let id = answer.id();
    assert_eq!(
        answer.header("location"),
        format!("/api/messages/{id}"),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), "application/json");
    answer
}

async fn items(client: &Client, path: &str) -> Vec<Value> {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

async fn the_main_job(database: TestDatabase, queue: TestQueue) {
    let setup = queue.setup().env("DATABASE_URL", database.url());
    let mut service = queue.serve(setup).await;
    let client = service.client();

    let text = with(
        sms(),
        &json!({"idempotencyKey": "parcel-7", "sentAt": "2026-01-02T03:04:05Z"}),
    );
    let accepted = posted(client, SMS, &text).await;
    let id = accepted.id();
    assert_eq!(
        accepted.json(),
        json!({"status": "accepted", "id": id, "idempotencyKey": "parcel-7", "duplicate": false})
    );
    let mail = with(email(), &json!({"sentAt": "2026-01-02T04:04:05+01:00"}));
    let mailed = posted(client, EMAIL, &mail).await;
    let derived = mailed.json()["idempotencyKey"].as_str().unwrap().to_owned();
    assert_eq!(derived.len(), 64, "hex SHA-256");
    for accepted in [&accepted, &mailed] {
        is_persisted(client, accepted).await;
    }

    let conversations = items(client, "/api/conversations").await;
    assert_eq!(conversations.len(), 2);
    let of = |channel: &str| {
        let found = conversations.iter().find(|c| c["channel"] == channel);
        found.unwrap().clone()
    };
    let sms_conversation = of("sms");
    assert_eq!(sms_conversation["key"], "sms:+12025550100<->+12025550123");
    assert_eq!(
        sms_conversation["participants"],
        json!(["+12025550100", "+12025550123"])
    );
    assert_eq!(sms_conversation["messageCount"], 1);
    assert_eq!(sms_conversation["lastActivityAt"], "2026-01-02T03:04:05Z");
    assert_eq!(
        of("email")["key"],
        "email:ann@example.com<->shop@example.com"
    );

    let path = format!(
        "/api/conversations/{}/messages",
        sms_conversation["id"].as_str().unwrap()
    );
    assert_eq!(
        items(client, &path).await,
        [json!({
            "id": id, "from": "+12025550100", "to": "+12025550123", "direction": "outbound",
            "snippet": "Your parcel is on its way.", "timestamp": "2026-01-02T03:04:05Z"
        })]
    );
    service.stop(Duration::from_secs(31)).await;
    database.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_sqlite() {
    let _turn = turn::together().await;
    the_main_job(TestDatabase::sqlite(), TestQueue::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_postgres() {
    let _turn = turn::together().await;
    if let Some(database) = TestDatabase::postgres().await {
        the_main_job(database, TestQueue::Memory).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_an_embedded_queue() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::embedded() {
        the_main_job(TestDatabase::sqlite(), queue).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_of_two_processes_on_redis_and_sqlite() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::redis().await {
        the_main_job(TestDatabase::sqlite(), queue).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_of_two_processes_on_redis_and_postgres() {
    let _turn = turn::together().await;
    let Some(queue) = TestQueue::redis().await else {
        return;
    };
    if let Some(database) = TestDatabase::postgres().await {
        the_main_job(database, queue).await;
    }
}

async fn lists_in_order(database: TestDatabase) {
    let server = start(&database).await;
    let client = &server.client;
    let long = format!(
        "{}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} and more",
        "x".repeat(62)
    );
    // Posted in another order than sent.
    for second in [3, 1, 2, 0, 4] {
        let (from, to) = match second % 2 {
            0 => ("+12025550100", "+12025550123"),
            _ => ("+12025550123", "+12025550100"),
        };
        let fields = json!({
            "from": from, "to": to, "body": long, "idempotencyKey": format!("k{second}"),
            "sentAt": format!("2026-01-02T03:04:0{second}Z"),
        });
        posted(client, SMS, &with(sms(), &fields)).await;
    }
    for other in 0..6 {
        let fields = json!({
            "to": format!("+1202555020{other}"), "idempotencyKey": format!("o{other}"),
            "sentAt": format!("2026-01-02T03:05:0{other}Z"),
        });
        posted(client, SMS, &with(sms(), &fields)).await;
    }
    database.has_messages(11, PERSISTED).await;

    let pages = pages(client, "/api/conversations", 3).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let all = pages.concat();
    assert_eq!(all, items(client, "/api/conversations?limit=200").await);
    let newest_first = |item: &Value| std::cmp::Reverse(item["lastActivityAt"].to_string());
    assert!(all.is_sorted_by_key(newest_first), "{all:?}");
    let shared = all.last().unwrap();
    assert_eq!(shared["messageCount"], 5);

    let path = format!(
        "/api/conversations/{}/messages",
        shared["id"].as_str().unwrap()
    );
    let pages = self::pages(client, &path, 2).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let messages = pages.concat();
    let directions: Vec<_> = messages.iter().map(|m| m["direction"].clone()).collect();
    let (out, back) = ("outbound", "inbound");
    assert_eq!(directions, [out, back, out, back, out]);
    assert!(messages.is_sorted_by_key(|m| m["timestamp"].to_string()));
    // The family of five characters does not fit behind the 62, so it is not there at all.
    assert_eq!(messages[0]["snippet"], "x".repeat(62));
}

/// All pages of a list, one after the other.
async fn pages(client: &Client, path: &str, limit: usize) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut query = format!("{path}?limit={limit}");
    loop {
        let answer = client.get(&query).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.json();
        pages.push(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["nextCursor"].as_str() else {
            assert_eq!(page["nextCursor"], Value::Null);
            return pages;
        };
        query = format!("{path}?limit={limit}&cursor={cursor}");
        assert!(pages.len() < 100, "paging does not end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_in_order_and_paged_on_sqlite() {
    let _turn = turn::together().await;
    lists_in_order(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_in_order_and_paged_on_postgres() {
    let _turn = turn::together().await;
    if let Some(database) = TestDatabase::postgres().await {
        lists_in_order(database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    for path in [
        format!("/api/messages/{CUSTOMER}"),
        format!("/api/conversations/{CUSTOMER}/messages"),
        "/api".to_owned(),
        "/nothing".to_owned(),
    ] {
        server.client.get(&path).await.problem(404);
    }
    let answer = server.client.send(Method::PUT, SMS, &[], "").await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), "POST");
}

/// The routes of the specification, with the methods of each.
const ROUTES: &[(&str, &[&str])] = &[
    ("/api/messages/sms", &["post"]),
    ("/api/messages/email", &["post"]),
    ("/api/messages/{id}", &["get"]),
    ("/api/conversations", &["get"]),
    ("/api/conversations/{id}/messages", &["get"]),
    ("/api/dead-letters", &["get"]),
    ("/api/dead-letters/redrive", &["post"]),
    ("/api/dead-letters/{id}", &["delete"]),
    ("/metrics", &["get"]),
    ("/healthz", &["get"]),
    ("/readyz", &["get"]),
    ("/openapi.json", &["get"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn openapi_lists_every_route_and_every_reference_resolves() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let answer = server.client.get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let api = answer.json();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, methods) in ROUTES {
        for method in *methods {
            let operation = &api["paths"][path][method];
            assert!(operation.is_object(), "{method} {path}");
            assert!(operation["responses"].is_object(), "{method} {path}");
        }
    }
    let posts = &api["paths"][SMS]["post"]["responses"];
    for status in ["202", "400", "413", "415", "422", "503"] {
        assert!(posts[status].is_object(), "{status}");
    }
    let mut references = Vec::new();
    collect_references(&api, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(api.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|v| collect_references(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| collect_references(v, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_api_needs_no_other_host() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let mut path = "/docs".to_owned();
    let page = loop {
        let answer = server.client.get(&path).await;
        if (300..400).contains(&answer.status) {
            answer.header("location").clone_into(&mut path);
            continue;
        }
        break answer;
    };
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.header("content-type").starts_with("text/html"));
    let html = page.text();
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
    let folder = path.trim_end_matches(|c| c != '/');
    let mut parts = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in html.split(attribute).skip(1) {
            let link = rest.split('"').next().unwrap();
            let target = match link.strip_prefix("./").unwrap_or(link) {
                absolute if absolute.starts_with('/') => absolute.to_owned(),
                relative => format!("{folder}{relative}"),
            };
            assert_eq!(server.client.get(&target).await.status, 200, "{target}");
            parts += 1;
        }
    }
    assert!(parts > 0, "the page has no parts: {html}");
}

/// Names and types of the specification.
const METRICS: &[(&str, &str)] = &[
    ("messaging_client_sent_messages_total", "counter"),
    ("messaging_client_consumed_messages_total", "counter"),
    ("messaging_client_operation_duration_seconds", "histogram"),
    ("messaging_process_duration_seconds", "histogram"),
    ("messaging_queue_dwell_seconds", "histogram"),
    ("messaging_worker_processed_total", "counter"),
    ("messaging_worker_active", "gauge"),
    ("messaging_queue_depth", "gauge"),
    ("messaging_queue_oldest_age_seconds", "gauge"),
    ("messaging_dead_letters", "gauge"),
];

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_specified_names_and_count() {
    let _turn = turn::together().await;
    metrics(TestQueue::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_specified_names_and_count_on_redis() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::redis().await {
        metrics(queue).await;
    }
}

async fn metrics(queue: TestQueue) {
    let database = TestDatabase::sqlite();
    let setup = queue.setup().env("DATABASE_URL", database.url());
    let server = setup.start_ready().await;
    let body = with(sms(), &json!({"idempotencyKey": "once"}));
    for _ in 0..3 {
        posted(&server.client, SMS, &body).await;
    }
    database.has_messages(1, PERSISTED).await;
    let counted = async || server.client.metrics().await.processed("done") >= 1;
    wait::until("the message is counted as done", PERSISTED, counted).await;
    let answer = server.client.get("/metrics").await;
    assert!(answer.header("content-type").starts_with("text/plain"));
    let metrics = server.client.metrics().await;
    let types = metrics.types();
    for metric in METRICS {
        assert!(types.contains(metric), "{metric:?} in {types:?}");
    }
    assert_eq!(metrics.sent("accepted"), 1);
    assert_eq!(metrics.sent("duplicate"), 2);
    assert_eq!(metrics.dead_letters(), 0);
    let queue = [("queue", queue.name()), ("backend", queue.backend())];
    assert!(metrics.sum("messaging_client_sent_messages_total", &queue) >= 3);
    let allowed = [
        "queue",
        "backend",
        "kind",
        "outcome",
        "operation",
        "error_type",
        "state",
        "le",
    ];
    for (name, labels, _) in metrics.series().filter(|(_, labels, _)| !labels.is_empty()) {
        for label in labels
            .split("\",")
            .filter_map(|pair| pair.split('=').next())
        {
            assert!(allowed.contains(&label), "{name} has the label {label}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_answer() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    assert_eq!(server.client.get("/healthz").await.status, 200);
    assert_eq!(server.client.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn seed_and_reset_prepare_a_database() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let seeded = || {
        Setup::new()
            .env("DATABASE_URL", database.url())
            .arg("--seed")
    };
    drop(seeded().start_ready().await);
    let rows = database.messages().await;
    assert!(rows > 0);
    drop(seeded().start_ready().await);
    assert_eq!(
        database.messages().await,
        rows,
        "seeding again adds nothing"
    );
    let reset = Setup::new().env("DATABASE_URL", database.url());
    drop(reset.arg("--reset").start_ready().await);
    assert_eq!(database.messages().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_messages_stay_queued() {
    let _turn = turn::together().await;
    stay_queued(TestQueue::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_messages_stay_queued_on_redis() {
    let _turn = turn::together().await;
    if let Some(queue) = TestQueue::redis().await {
        stay_queued(queue).await;
    }
}

async fn stay_queued(queue: TestQueue) {
    let database = TestDatabase::sqlite();
    let setup = queue.setup().env("DATABASE_URL", database.url());
    let mut server = setup.env("WORKER_ENABLED", false).start().await;
    let accepted = posted(&server.client, SMS, &sms()).await;
    let depth = async || server.client.metrics().await.depth() >= 1;
    wait::until("the message is in the queue", PERSISTED, depth).await;
    assert_eq!(
        state(&server.client, accepted.header("location")).await,
        "queued"
    );
    let metrics = server.client.metrics().await;
    assert_eq!(
        metrics.sum("messaging_client_consumed_messages_total", &[]),
        0
    );
    assert_eq!(metrics.depth(), 1);
    server.stop(Duration::from_secs(31)).await;
}
