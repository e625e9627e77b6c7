//! The store on real databases: what it writes.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_example_server::channel::Channel;
use forebay_example_server::conversation::Conversation;
use forebay_example_server::direction::Direction;
use forebay_example_server::event::Event;
use forebay_example_server::message::Message;
use forebay_example_server::store::{Persisted, Store, StoreError, StoreOptions};
use serde_json::json;
use uuid::Uuid;

#[allow(dead_code, reason = "shared with other tests")]
mod support;

use support::{
    CUSTOMER, START, TestDatabase, connect, conversations, event, id, messages, phone, sms,
};

#[tokio::test]
async fn an_event_becomes_its_rows() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        store.ping().await.unwrap();
        let fields = json!({
            "subject": "s", "body": "a".repeat(100), "idempotencyKey": "k", "metadata": {"b": 1, "a": "é"},
            "sentAt": "2026-01-02T03:04:05.123456Z"
        });
        let mut event = event(
            Channel::Email,
            "Zoe+x@Example.com",
            "ann@example.com",
            &fields,
        );
        event.unknown.insert("later".to_owned(), json!([1]));
        assert!(!store.has_message(id(1)).await.unwrap());
        assert_eq!(store.persist(&event, id(1)).await.unwrap(), Persisted::New);
        assert_eq!(
            store.persist(&event, id(1)).await.unwrap(),
            Persisted::AlreadyThere
        );
        assert_eq!(
            store.persist(&event, id(2)).await.unwrap(),
            Persisted::AlreadyThere
        );
        assert!(store.has_message(id(1)).await.unwrap());
        assert!(!store.has_message(id(2)).await.unwrap());

        let all = conversations(&store, 10).await;
        let expected = Conversation {
            id: Conversation::id_of(CUSTOMER, &event.participants()),
            key: "email:ann@example.com<->zoe@example.com".to_owned(),
            channel: Channel::Email,
            participants: ["ann@example.com".to_owned(), "zoe@example.com".to_owned()],
            message_count: 1,
            last_activity_at: event.sent_at,
        };
        assert_eq!(all, [expected]);
        let expected = Message {
            id: id(1),
            from: "Zoe+x@example.com".to_owned(),
            to: "ann@example.com".to_owned(),
            direction: Direction::Outbound,
            snippet: "a".repeat(64),
            timestamp: event.sent_at,
        };
        assert_eq!(messages(&store, all[0].id, 10).await, [expected]);
        for (sql, expected) in [
            ("SELECT count(*) FROM customers", 1),
            (
                "SELECT count(*) FROM message_bodies WHERE length(body) = 100",
                1,
            ),
            (
                "SELECT count(*) FROM messages WHERE idempotency_key = 'k' AND subject = 's'",
                1,
            ),
            (
                "SELECT count(*) FROM messages WHERE metadata ->> 'a' = 'é'",
                1,
            ),
            (
                "SELECT count(*) FROM messages WHERE unknown_fields ->> 'later' = '[1]'",
                1,
            ),
        ] {
            assert_eq!(database.number(sql).await, expected, "{sql}");
        }
        store.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn a_key_belongs_to_one_customer_and_channel() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        let first = sms(&phone(1), &phone(2), "k", 0);
        let mut other_customer = first.clone();
        other_customer.customer_id = Uuid::from_u128(9);
        let key = json!({"idempotencyKey": "k"});
        let other_channel = event(Channel::Email, "ann@example.com", "bob@example.com", &key);
        for (number, event) in [(1, &first), (2, &other_customer), (3, &other_channel)] {
            assert_eq!(
                store.persist(event, id(number)).await.unwrap(),
                Persisted::New
            );
        }
        assert_eq!(conversations(&store, 1).await.len(), 3);
        store.close().await;
        database.remove().await;
    }
}

/// Fifty events: three customers, a few conversations in both directions, bodies that repeat.
fn fifty() -> Vec<(Event, Uuid)> {
    (0..50_u32)
        .map(|number| {
            let (mut from, mut to) = (phone(number % 4), phone(10 + number % 3));
            if number % 2 == 1 {
                std::mem::swap(&mut from, &mut to);
            }
            let fields = json!({
                "customerId": Uuid::from_u128(u128::from(number % 3)), "idempotencyKey": format!("key-{number}"),
                "body": format!("body {}", number % 7)
            });
            let mut event = event(Channel::Sms, &from, &to, &fields);
            event.sent_at = START + time::Duration::seconds(i64::from(number));
            (event, id(number.into()))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replays_leave_the_same_rows() {
    for database in TestDatabase::all().await {
        // Two stores stand for two processes.
        let stores = [connect(&database).await, connect(&database).await];
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let store = stores[task % 2].clone();
                tokio::spawn(async move {
                    let mut new = 0;
                    let mut events: Vec<_> = (0..4).flat_map(|_| fifty()).collect();
                    fastrand::shuffle(&mut events);
                    for (event, id) in events {
                        let persisted = store.persist(&event, id).await.unwrap();
                        new += usize::from(persisted == Persisted::New);
                    }
                    new
                })
            })
            .collect();
        let mut new = 0;
        for task in tasks {
            new += task.await.unwrap();
        }
        assert_eq!(new, 50);

        // The expected conversations, counted from the events alone.
        let mut expected: BTreeMap<Uuid, (i64, time::OffsetDateTime)> = BTreeMap::new();
        for (event, _) in fifty() {
            let id = Conversation::id_of(event.customer_id, &event.participants());
            let entry = expected.entry(id).or_insert((0, event.sent_at));
            *entry = (entry.0 + 1, entry.1.max(event.sent_at));
        }
        let all = conversations(&stores[0], 5).await;
        let mut ids = HashSet::new();
        for conversation in &all {
            let (count, at) = expected[&conversation.id];
            assert_eq!(
                (conversation.message_count, conversation.last_activity_at),
                (count, at)
            );
            let messages = messages(&stores[1], conversation.id, 3).await;
            assert_eq!(messages.len(), usize::try_from(count).unwrap());
            ids.extend(messages.into_iter().map(|message| message.id));
        }
        assert_eq!(all.len(), expected.len());
        assert_eq!(ids, fifty().into_iter().map(|(_, id)| id).collect());
        for (sql, expected) in [
            ("SELECT count(*) FROM messages", 50),
            ("SELECT count(*) FROM message_bodies", 7),
            ("SELECT count(*) FROM customers", 3),
        ] {
            assert_eq!(database.number(sql).await, expected, "{sql}");
        }
        for store in stores {
            store.close().await;
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_event_from_many_at_once() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        for (event, id) in fifty() {
            let barrier = Arc::new(tokio::sync::Barrier::new(8));
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let (store, event, barrier) = (store.clone(), event.clone(), barrier.clone());
                    tokio::spawn(async move {
                        barrier.wait().await;
                        store.persist(&event, id).await.unwrap()
                    })
                })
                .collect();
            let mut new = 0;
            for task in tasks {
                new += usize::from(task.await.unwrap() == Persisted::New);
            }
            assert_eq!(new, 1);
        }
        store.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn a_refused_event_leaves_the_others_alone() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        let taken = sms(&phone(1), &phone(2), "taken", 0);
        store.persist(&taken, id(0)).await.unwrap();
        // The queue never gives one id to two messages; a database must not lose one silently if it ever did.
        let tasks: Vec<_> = (0..20_u32)
            .map(|number| {
                let store = store.clone();
                let event = sms(&phone(number), &phone(2), &format!("k{number}"), 0);
                let id = if number == 7 {
                    id(0)
                } else {
                    id(number.into())
                };
                let id = if number == 0 { Uuid::from_u128(77) } else { id };
                tokio::spawn(async move { store.persist(&event, id).await })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            let outcome = task.await.unwrap();
            if number == 7 {
                let error = outcome.unwrap_err();
                assert!(matches!(error, StoreError::Refused { .. }), "{error}");
                assert!(!error.is_unavailable() && !error.is_retryable());
            } else {
                assert_eq!(outcome, Ok(Persisted::New), "{number}");
            }
        }
        assert_eq!(database.number("SELECT count(*) FROM messages").await, 20);
        store.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn reset_and_seed() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        let new = store.seed().await.unwrap();
        assert!(new > 0);
        assert_eq!(store.seed().await.unwrap(), 0);
        let seeded = conversations(&store, 10).await;
        assert!(seeded.len() > 1);
        store.reset().await.unwrap();
        assert!(conversations(&store, 10).await.is_empty());
        assert_eq!(
            database.number("SELECT count(*) FROM message_bodies").await,
            0
        );
        assert_eq!(store.seed().await.unwrap(), new);
        assert_eq!(conversations(&store, 10).await, seeded);
        store.close().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_migrate_at_once() {
    for database in TestDatabase::all().await {
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let url = database.url.clone();
                tokio::spawn(async move {
                    let store = Store::connect(&url, StoreOptions::default()).await.unwrap();
                    store.ping().await.unwrap();
                    store.close().await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(
            database
                .number("SELECT count(*) FROM _sqlx_migrations")
                .await,
            1
        );
        database.remove().await;
    }
}

#[tokio::test]
async fn a_later_schema_is_refused() {
    for database in TestDatabase::all().await {
        connect(&database).await.close().await;
        database
            .execute(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (999, 'later', TRUE, '', 0)",
            )
            .await;
        let start = Instant::now();
        let error = Store::connect(&database.url, StoreOptions::default())
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Schema(_)), "{error}");
        assert!(
            !error.is_unavailable() && error.to_string().contains("999"),
            "{error}"
        );
        assert!(start.elapsed() < Duration::from_secs(5));
        database.remove().await;
    }
}

#[tokio::test]
async fn a_database_outlives_its_store() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        store
            .persist(&sms(&phone(1), &phone(2), "k", 0), id(1))
            .await
            .unwrap();
        store.close().await;
        let closed = store
            .persist(&sms(&phone(1), &phone(2), "l", 0), id(2))
            .await;
        assert!(closed.unwrap_err().is_unavailable());
        let store = connect(&database).await;
        assert!(store.has_message(id(1)).await.unwrap());
        store.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn urls() {
    for bad in [
        "",
        "messages.db",
        "mysql://localhost/c4nary",
        "sqlite:",
        "sqlite://",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite://folder/",
        "sqlite://c4nary.db?mode=ro",
        "sqlite://c4nary.db?mode=memory",
        "sqlite://c4nary.db?nonsense=c4nary",
        "postgres://user:c4nary@localhost:notaport/",
    ] {
        let error = Store::open(bad, StoreOptions::default()).unwrap_err();
        assert!(matches!(error, StoreError::Url(_)), "{bad}");
        assert!(!format!("{error} {error:?}").contains("c4nary"));
    }
    let url = "postgres://user:c4nary@127.0.0.1:1/c4nary";
    let store = Store::open(url, StoreOptions::default()).unwrap();
    assert!(!format!("{store:?}").contains("c4nary"));
}
