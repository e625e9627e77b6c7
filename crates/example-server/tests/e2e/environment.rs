//! A wrong value stops the start with one line that says what is wrong and what is allowed.

use std::time::Duration;

use forebay_example_server::settings::VARIABLES;

use crate::support::database::TestDatabase;
use crate::support::server::Setup;
use crate::support::turn;

/// A start that fails does so at once.
const LIMIT: Duration = Duration::from_secs(10);

const LONG: &str = "c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary-c4nary";

/// Every variable with wrong values.
const WRONG: &[(&str, &[&str])] = &[
    (
        "HTTP_ADDR",
        &[
            "localhost:8080",
            "127.0.0.1",
            "127.0.0.1:65536",
            ":8080",
            "0.0.0.0:0",
            "[::]:0",
            "192.0.2.1:0",
        ],
    ),
    ("INSECURE_PUBLIC", &["yes", "1", "TRUE"]),
    ("QUEUE_BACKEND", &["kafka", "Memory", "redis7"]),
    (
        "QUEUE_DURABILITY",
        &["yes", "replicated:0", "replicated:x", "fsynced"],
    ),
    (
        "QUEUE_NAME",
        &["Outbound", "a b", "-a", "outbound/messages", LONG],
    ),
    // What else is wrong with a path is the directory's to say: `embedded.rs`.
    ("QUEUE_PATH", &[""]),
    ("QUEUE_SYNC", &["sometimes", "-1s", "100"]),
    ("QUEUE_CAPACITY", &["0", "-1", "many", "1e4", "99999999999"]),
    ("QUEUE_PUBLISH_WAIT", &["100", "-1s", "2h", "soon"]),
    ("QUEUE_LEASE", &["0s", "30", "13h", "a while"]),
    ("IDEMPOTENCY_WINDOW", &["24", "366days", "-1h"]),
    ("DLQ_RETENTION", &["30", "11years", "never"]),
    (
        "DATABASE_URL",
        &[
            "mysql://u:c4nary@localhost/x",
            "c4nary",
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://c4nary/",
            "postgres://u:c4nary@localhost:port/x",
        ],
    ),
    ("WORKER_ENABLED", &["1", "no", "True"]),
    ("WORKER_CONCURRENCY", &["0", "-1", "1.5", "10001"]),
    ("RETRY_MAX_ATTEMPTS", &["0", "ten", "1001"]),
    ("RETRY_MAX_AGE", &["0s", "72", "2years"]),
    ("RETRY_BACKOFF_BASE", &["0s", "1", "2h"]),
    ("RETRY_BACKOFF_CAP", &["1ms", "15", "25h"]),
    ("SHUTDOWN_TIMEOUT", &["0s", "30", "2h"]),
    (
        "ADMIN_TOKEN",
        &[
            "c4nary",
            "c4nary c4nary c4nary",
            "c4nary-c4nary-c4nary\u{e9}",
        ],
    ),
    (
        "API_TOKEN",
        &[
            "c4nary",
            "c4nary\tc4nary-c4nary",
            "c4nary-c4nary-c4nary\u{e9}",
        ],
    ),
    ("RUST_LOG", &["forebay=loud", "info,=,x=y=z"]),
    ("LOG_FORMAT", &["xml", "JSON"]),
    (
        "REDIS_URL",
        &[
            "c4nary",
            "http://u:c4nary@localhost",
            "redis://u:c4nary@localhost/x",
        ],
    ),
    ("REDIS_PREFIX", &["a{b}", "-a", "a*"]),
    ("REDIS_CA", &["/nowhere/authority.pem", "/dev/null"]),
    ("REDIS_CONNECT_TIMEOUT", &["1ms", "soon"]),
    ("REDIS_TIMEOUT", &["5", "2h"]),
];

const SECRET: [&str; 5] = [
    "DATABASE_URL",
    "REDIS_URL",
    "REDIS_CA",
    "ADMIN_TOKEN",
    "API_TOKEN",
];

#[test]
fn every_variable_has_wrong_values() {
    for variable in VARIABLES {
        let found = WRONG.iter().find(|(name, _)| *name == variable.name);
        let values = found.map_or(0, |(_, values)| values.len());
        let least = if variable.name == "QUEUE_PATH" { 1 } else { 2 };
        assert!(values >= least, "{}: {values} wrong values", variable.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_value_stops_the_start_with_one_line() {
    let _turn = turn::together().await;
    let is_known = |name: &str| VARIABLES.iter().any(|variable| variable.name == name);
    for (name, values) in WRONG.iter().filter(|(name, _)| is_known(name)) {
        for value in *values {
            one_wrong_value(name, value).await;
        }
    }
}

async fn one_wrong_value(name: &str, value: &str) {
    let database = TestDatabase::sqlite();
    let mut setup = Setup::new().env("DATABASE_URL", database.url());
    if name.starts_with("REDIS_") {
        // Refused before anybody is looked for there.
        setup = setup
            .env("QUEUE_BACKEND", "redis")
            .env("REDIS_URL", "rediss://127.0.0.1:1");
    }
    if name == "QUEUE_PATH" || name == "QUEUE_SYNC" {
        setup = setup
            .env("QUEUE_BACKEND", "sqlite")
            .env("QUEUE_PATH", "queue");
    }
    let (status, stdout, stderr) = setup.env(name, value).run(LIMIT).await;
    let what = format!("{name}={value}: {status}\n{stdout}\n{stderr}");
    assert_eq!(status.code(), Some(2), "{what}");
    assert_eq!(stderr.lines().count(), 1, "{what}");
    assert!(stderr.contains(name), "{what}");
    if SECRET.contains(&name) {
        assert!(
            !stderr.contains("c4nary") && !stdout.contains("c4nary"),
            "{what}"
        );
        assert!(stderr.contains("withheld"), "{what}");
    } else {
        let shown: String = value.chars().take(40).collect();
        assert!(stderr.contains(&shown), "{what}");
    }
    let variable = VARIABLES.iter().find(|variable| variable.name == name);
    let says_what_is_allowed = ["allowed", "gives", "needs"]
        .iter()
        .any(|word| stderr.contains(word));
    assert!(variable.is_none() || says_what_is_allowed, "{what}");
    assert!(!stderr.contains("panicked"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_argument_stops_the_start() {
    let _turn = turn::together().await;
    let (status, _, stderr) = Setup::new().arg("--c4nary").run(LIMIT).await;
    assert_eq!(status.code(), Some(2), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_value_counts_as_unset() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let setup = Setup::new()
        .env("DATABASE_URL", database.url())
        .env("QUEUE_CAPACITY", "")
        .env("API_TOKEN", "");
    setup.start_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_needs_a_token_or_the_word_for_none() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let setup = || {
        let setup = Setup::new().env("DATABASE_URL", database.url());
        setup.env("HTTP_ADDR", "0.0.0.0:0")
    };
    let (status, _, stderr) = setup().run(LIMIT).await;
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("API_TOKEN") && stderr.contains("INSECURE_PUBLIC"),
        "{stderr}"
    );
    let admin = setup().env("ADMIN_TOKEN", "only-for-the-dead-letters");
    let (status, ..) = admin.run(LIMIT).await;
    assert_eq!(status.code(), Some(2));
    setup()
        .env("API_TOKEN", "a-token-of-the-api-itself")
        .start()
        .await;
    setup().env("INSECURE_PUBLIC", "true").start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_stops_the_start_with_one_line() {
    let _turn = turn::together().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let database = TestDatabase::sqlite();
    let setup = Setup::new()
        .env("DATABASE_URL", database.url())
        .env("HTTP_ADDR", taken.local_addr().unwrap());
    let (status, _, stderr) = setup.run(LIMIT).await;
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}
