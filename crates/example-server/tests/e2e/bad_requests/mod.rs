//! Hand-made bad requests: each is refused as it should be, repeats nothing, publishes nothing, breaks nothing.

use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use tokio::task::JoinSet;

use crate::support::client::{Answer, Client};
use crate::support::database::TestDatabase;
use crate::support::request::{SMS, sms};
use crate::support::server::{Server, Setup};
use crate::support::turn;

mod bodies;
mod fields;
mod queries;
mod raw;

/// Part of every value that a bad request contains; no answer may contain it.
const CANARY: &str = "c4nary";

/// A request that can be said in HTTP, and how it is refused.
struct Case {
    name: String,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    status: u16,
    /// A pointer that the answer's `errors` contain.
    pointer: Option<&'static str>,
}

impl Case {
    fn post(path: &str, name: impl Into<String>, body: impl Into<Bytes>, status: u16) -> Self {
        Self {
            name: name.into(),
            method: Method::POST,
            path: path.to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.into(),
            status,
            pointer: None,
        }
    }

    fn get(path: impl Into<String>, status: u16) -> Self {
        let path = path.into();
        Self {
            name: format!("GET {path}"),
            method: Method::GET,
            path,
            headers: Vec::new(),
            body: Bytes::new(),
            status,
            pointer: None,
        }
    }

    fn method(mut self, method: Method) -> Self {
        self.name = format!("{method} {}", self.path);
        self.method = method;
        self
    }

    fn headers(mut self, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        self.headers = headers.collect();
        self
    }

    fn and_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn at(mut self, pointer: &'static str) -> Self {
        self.pointer = Some(pointer);
        self
    }

    async fn run(self, client: Client) {
        let name = &self.name;
        let headers: Vec<_> = self.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = client
            .try_send(self.method, &self.path, &headers, self.body)
            .await
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(answer.status, self.status, "{name}: {answer:?}");
        assert_clean(name, &answer);
        let problem = answer.problem(self.status);
        // What is not read to its end ends the connection, and says so.
        assert_eq!(
            answer.header("connection") == "close",
            self.status == 413,
            "{name}: {answer:?}"
        );
        if let Some(pointer) = self.pointer {
            let errors = problem["errors"].as_array();
            let found = errors.is_some_and(|all| all.iter().any(|e| e["pointer"] == pointer));
            assert!(found, "{name}: no {pointer} in {problem}");
        }
    }
}

fn assert_clean(name: &str, answer: &Answer) {
    let text = format!(
        "{:?} {}",
        answer.headers,
        String::from_utf8_lossy(&answer.body)
    );
    assert!(!text.to_lowercase().contains(CANARY), "{name}: {text}");
    assert!(
        answer.body.len() < 20_000,
        "{name}: {} bytes",
        answer.body.len()
    );
}

async fn start(database: &TestDatabase) -> Server {
    let setup = Setup::new().env("DATABASE_URL", database.url());
    setup.start_ready().await
}

/// Nothing was published, and the server works as before.
async fn assert_unharmed(mut server: Server, database: &TestDatabase) {
    assert!(server.is_running());
    let metrics = server.client.metrics().await;
    assert_eq!(metrics.sum("messaging_client_sent_messages_total", &[]), 0);
    assert_eq!(metrics.depth(), 0);
    assert_eq!(database.messages().await, 0);
    let log = server.output.all().join("\n");
    assert!(
        !log.to_lowercase().contains(CANARY),
        "the log repeats it: {log}"
    );
    assert!(!log.contains("panicked"), "{log}");
    server.client.post(SMS, &sms()).await.id();
    database.has_messages(1, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_is_refused_and_nothing_else_happens() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let cases = [bodies::cases(), fields::cases(), queries::cases()];
    let cases: Vec<_> = cases.into_iter().flatten().collect();
    println!("{} bad requests", cases.len());
    assert!(cases.len() >= 150);
    for case in cases {
        case.run(server.client.clone()).await;
    }
    assert_unharmed(server, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_refused_or_closed_in_time() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let mut tasks = JoinSet::new();
    for case in raw::cases() {
        tasks.spawn(case.run(server.client.address));
    }
    let count = tasks.join_all().await.len();
    println!("{count} raw requests");
    assert_unharmed(server, &database).await;
}
