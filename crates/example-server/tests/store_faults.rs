//! The store while its database is locked, silent, refusing or gone: every call ends in time with "unavailable", and
//! when the database is back the same store works again.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use forebay_example_server::store::{Persisted, Store, StoreOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use url::Url;
use uuid::Uuid;

mod proxy;
#[allow(dead_code, reason = "shared with another test")]
mod support;

use proxy::Proxy;
use support::{TestDatabase, phone, sms};

const CALL: Duration = Duration::from_secs(2);
/// What a call may take beyond its limit, on a machine that is busy with other tests.
const GRACE: Duration = Duration::from_secs(1);

fn options() -> StoreOptions {
    StoreOptions {
        call_timeout: CALL,
        acquire_timeout: Duration::from_secs(1),
        ping_timeout: Duration::from_secs(1),
        migrate_timeout: Duration::from_secs(10),
        busy_timeout: Duration::from_millis(300),
        max_connections: 4,
    }
}

async fn persist(
    store: &Store,
    number: u32,
) -> Result<Persisted, forebay_example_server::store::StoreError> {
    let event = sms(
        &phone(1),
        &phone(2),
        &format!("k{number}"),
        i64::from(number),
    );
    store.persist(&event, Uuid::from_u128(number.into())).await
}

/// Every kind of call that writes answers "unavailable" in time, many at once too.
async fn assert_unavailable(store: &Store) {
    let tasks: Vec<_> = (100..116)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let start = Instant::now();
                let outcome = if number == 100 {
                    store.ping().await
                } else {
                    persist(&store, number).await.map(drop)
                };
                (outcome, start.elapsed())
            })
        })
        .collect();
    for task in tasks {
        let (outcome, elapsed) = task.await.unwrap();
        let error = outcome.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        assert!(elapsed < CALL + GRACE, "{elapsed:?}");
    }
}

/// Every kind of call that reads answers "unavailable" in time.
async fn assert_unreadable(store: &Store) {
    let start = Instant::now();
    let (message, conversations, messages) = tokio::join!(
        store.has_message(Uuid::nil()),
        store.conversations(None, 1),
        store.messages(Uuid::nil(), None, 1)
    );
    assert!(message.unwrap_err().is_unavailable());
    assert!(conversations.unwrap_err().is_unavailable());
    assert!(messages.unwrap_err().is_unavailable());
    assert!(start.elapsed() < CALL + GRACE, "{:?}", start.elapsed());
}

/// The store works again, by itself, within a few seconds.
async fn assert_recovers(store: &Store, number: u32) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match persist(store, number).await {
            Ok(_) => break,
            Err(error) => assert!(
                error.is_unavailable() && Instant::now() < deadline,
                "{error}"
            ),
        }
        // tidy: sleep — a step of polling with a limit
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.ping().await.unwrap();
    assert!(
        store
            .has_message(Uuid::from_u128(number.into()))
            .await
            .unwrap()
    );
}

async fn locker(database: &TestDatabase) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(database.sqlite_file())
        .create_if_missing(true);
    options.connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_locked_by_another() {
    let database = TestDatabase::sqlite();
    let store = Store::connect(&database.url, options()).await.unwrap();
    persist(&store, 1).await.unwrap();
    let mut locker = locker(&database).await;
    for round in 0..2 {
        locker.execute("BEGIN EXCLUSIVE").await.unwrap();
        assert_unavailable(&store).await;
        assert!(
            store.has_message(Uuid::from_u128(1)).await.unwrap(),
            "readers go on"
        );
        locker.execute("ROLLBACK").await.unwrap();
        assert_recovers(&store, 10 + round).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_locked_before_the_start() {
    let database = TestDatabase::sqlite();
    std::fs::create_dir_all(database.sqlite_file().parent().unwrap()).unwrap();
    let mut locker = locker(&database).await;
    locker.execute("BEGIN EXCLUSIVE").await.unwrap();
    let short = StoreOptions {
        migrate_timeout: CALL,
        ..options()
    };
    let store = Store::open(&database.url, short).unwrap();
    let start = Instant::now();
    let error = store.migrate().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(start.elapsed() < CALL + GRACE);
    assert_unavailable(&store).await;
    assert_unreadable(&store).await;
    locker.execute("ROLLBACK").await.unwrap();
    store.migrate().await.unwrap();
    assert_recovers(&store, 1).await;
}

#[tokio::test]
async fn sqlite_folder_that_cannot_be_made() {
    let database = TestDatabase::sqlite();
    let folder = database.sqlite_file().parent().unwrap().to_owned();
    std::fs::write(folder, "a file where the folder should be").unwrap();
    let error = Store::connect(&database.url, options()).await.unwrap_err();
    assert!(error.to_string().contains("folder"), "{error}");
}

/// A PostgreSQL database, a proxy before it and a store behind that.
async fn through_a_proxy() -> Option<(TestDatabase, Proxy, Store)> {
    let database = TestDatabase::postgres().await?;
    let mut url = Url::parse(&database.url).unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let proxy = Proxy::start(server).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port())).unwrap();
    let store = Store::connect(url.as_str(), options()).await.unwrap();
    Some((database, proxy, store))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_silent() {
    let Some((database, proxy, store)) = through_a_proxy().await else {
        return;
    };
    for round in 0..2 {
        assert_recovers(&store, 10 + round).await;
        // As a server that is stopped: connections are made and stay, nothing is answered.
        proxy.pause();
        assert_unavailable(&store).await;
        assert_unreadable(&store).await;
        proxy.resume();
        assert_recovers(&store, 20 + round).await;
    }
    // What was under way may have happened; repeated, it is there once.
    for number in 101..116 {
        persist(&store, number).await.unwrap();
    }
    assert_eq!(database.number("SELECT count(*) FROM messages").await, 19);
    assert_eq!(
        database
            .number("SELECT message_count FROM conversations")
            .await,
        19
    );
    store.close().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_answer_to_the_commit_lost() {
    let Some((database, proxy, store)) = through_a_proxy().await else {
        return;
    };
    for number in 1..4_u32 {
        proxy.mute_at_commit();
        let start = Instant::now();
        let error = persist(&store, number).await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        assert!(start.elapsed() < CALL + GRACE, "{:?}", start.elapsed());
        // The outcome was unknown to the store; in fact it happened.
        let rows = database.number("SELECT count(*) FROM messages").await;
        assert_eq!(rows, i64::from(number));
        proxy.resume();
        assert_recovers(&store, number).await;
        assert_eq!(persist(&store, number).await, Ok(Persisted::AlreadyThere));
    }
    let counted = database
        .number("SELECT message_count FROM conversations")
        .await;
    assert_eq!(counted, 3);
    store.close().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_connections_die_without_a_word() {
    let Some((database, proxy, store)) = through_a_proxy().await else {
        return;
    };
    assert_recovers(&store, 1).await;
    let mut other = PgConnection::connect(&database.url).await.unwrap();
    let lock = "BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE";
    other.execute(lock).await.unwrap();
    let tasks: Vec<_> = (2..6)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { persist(&store, number).await })
        })
        .collect();
    // Each connection of the pool has a statement on its way when the network forgets it.
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'";
    let deadline = Instant::now() + CALL;
    while database.number(waiting).await < 4 {
        assert!(
            Instant::now() < deadline,
            "four statements wait for the lock"
        );
        // tidy: sleep — a step of polling with a limit
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.abandon();
    other.execute("ROLLBACK").await.unwrap();
    for task in tasks {
        assert!(task.await.unwrap().unwrap_err().is_unavailable());
    }
    assert_recovers(&store, 2).await;
    store.close().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_gone() {
    let Some((database, mut proxy, store)) = through_a_proxy().await else {
        return;
    };
    assert_recovers(&store, 1).await;
    proxy.stop().await;
    assert_unavailable(&store).await;
    assert_unreadable(&store).await;
    proxy.restart().await;
    assert_recovers(&store, 2).await;
    store.close().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_started_later() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let mut url = Url::parse(&database.url).unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let mut proxy = Proxy::start(server).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port())).unwrap();
    proxy.stop().await;
    let store = Store::open(url.as_str(), options()).unwrap();
    assert!(store.migrate().await.unwrap_err().is_unavailable());
    assert_unavailable(&store).await;
    proxy.restart().await;
    store.migrate().await.unwrap();
    assert_recovers(&store, 1).await;
    store.close().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_locked_table_and_shutdown_of_sessions() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let store = Store::connect(&database.url, options()).await.unwrap();
    let mut other = PgConnection::connect(&database.url).await.unwrap();
    other
        .execute("BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let start = Instant::now();
    let error = persist(&store, 1).await.unwrap_err();
    assert!(
        error.is_unavailable() && start.elapsed() < CALL + GRACE,
        "{error}"
    );
    other.execute("ROLLBACK").await.unwrap();
    assert_recovers(&store, 1).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for number in 2..6 {
        other.execute(end).await.unwrap();
        assert_recovers(&store, number).await;
    }
    assert_eq!(
        database
            .number("SELECT message_count FROM conversations")
            .await,
        5
    );
    store.close().await;
    database.remove().await;
}
