//! What an earlier build has left on the server is read; what has another layout is refused by name and not touched.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod server;

use std::time::Duration;

use forebay_queue_conformance::Timing;
use forebay_queue_core::{
    Backend, CancelTarget, Certainty, DeadLetterFilter, Error, MessageId, PageRequest, QueueConfig,
    QueueName, State, StoredMessage, Timestamp,
};
use forebay_xtask::redis::Reply;

use server::Private;

const NAME: QueueName = QueueName::from_static("old");
const META: &[u8] = b"forebay:{old}:meta";
const STREAM: &[u8] = b"forebay:{old}:stream";
const INDEX: &[u8] = b"forebay:{old}:index";
const DEAD: &[u8] = b"forebay:{old}:dead";
const DEADORDER: &[u8] = b"forebay:{old}:deadorder";

/// Published at 1,000 s with everything that a message can have; its first attempt failed.
fn entry() -> Vec<u8> {
    let parts = [
        // Version, flags, attempt, id.
        "010300000001",
        "11111111111111111111111111111111",
        // Order of acceptance; published, deliver, expires, redriven.
        "0000000000000009",
        "000000003b9aca00",
        "000000003b9add88",
        "0000000000000000",
        "0000000000000000",
        // Hash of the key, fingerprint.
        "c8bd69874287bdec71cfca9f7020bd88",
        "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0",
        // Errors: attempt 1 at 1,001 s, "oops".
        "00000012",
        "00000001000000003baa0c4000046f6f7073",
        // Kind, headers, key, fairness key, weight, throttle key, payload.
        "1f046d61696c",
        "0201610001310b7472616365706172656e74000930302d312d322d3031",
        "00076f726465723a31000674656e616e740007010004736d7470",
        "0000000568656c6c6f",
    ];
    bytes(&parts.concat())
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hexadecimal.as_bytes().chunks(2).map(byte).collect()
}

fn id() -> MessageId {
    MessageId::from_bytes([0x11; 16])
}

fn assert_is_the_old_one(seen: &StoredMessage) {
    let message = &seen.message;
    assert_eq!(message.id(), id());
    assert_eq!(message.kind().as_str(), "mail");
    assert_eq!(message.payload(), "hello");
    assert_eq!(message.headers().get("traceparent"), Some("00-1-2-01"));
    assert_eq!(message.fairness_key().as_str(), "tenant");
    assert_eq!(message.published_at(), Timestamp::from_millis(1_000_000));
    let due = Timestamp::from_millis(1_000_005);
    assert_eq!(message.deliver_at(), Some(due));
    let errors: Vec<_> = seen.errors.iter().map(|e| (e.attempt, &*e.error)).collect();
    assert_eq!(errors, [(1, "oops")]);
    assert_eq!(seen.errors[0].at, Timestamp::from_millis(1_001_000));
}

/// A server with an empty queue.
async fn with_queue() -> Option<(Private, impl Backend)> {
    let server = Private::start(Timing::NETWORK)?;
    let backend = server.backend().await;
    let made = backend.create(&NAME, &QueueConfig::default()).await;
    made.unwrap();
    Some((server, backend))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_version_one_is_looked_at_and_delivered() {
    let Some((server, backend)) = with_queue().await else {
        return;
    };
    let place = server.call(&[b"XADD", STREAM, b"*", b"m", &entry()]);
    let place = place.text().unwrap().as_bytes();
    server.call(&[b"HSET", INDEX, id().as_bytes(), place]);

    let management = backend.manage(&NAME).await.unwrap();
    let seen = management.get(id()).await.unwrap().unwrap();
    assert_is_the_old_one(&seen);
    assert_eq!((seen.state, seen.attempt), (State::Ready, 1));
    let session = backend.open(&NAME, None).await.unwrap();
    let delivery = session.receive(1, Duration::from_secs(5)).await.unwrap();
    let delivery = delivery.into_iter().next().unwrap();
    assert_eq!((delivery.message.id(), delivery.attempt), (id(), 2));
    assert_eq!(*delivery.message, *seen.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_of_version_one_is_listed_and_redriven() {
    let Some((server, backend)) = with_queue().await else {
        return;
    };
    // Dead, at the begin of 2100.
    let record = [bytes("04000e9326dd03c000"), entry()].concat();
    server.call(&[b"HSET", DEAD, id().as_bytes(), &record]);
    server.call(&[b"ZADD", DEADORDER, b"1", id().as_bytes()]);
    server.call(&[b"HSET", INDEX, id().as_bytes(), b"d"]);
    server.call(&[b"HSET", META, b"deadn", b"1"]);

    let management = backend.manage(&NAME).await.unwrap();
    let all = DeadLetterFilter::all();
    let page = management.dead_letters(&all, PageRequest::first(9)).await;
    let page = page.unwrap();
    assert_is_the_old_one(&page.items[0]);
    assert_eq!(page.items[0].state, State::Dead);
    let redriven = management.redrive(&all, 9).await.unwrap();
    assert_eq!((redriven.redriven, redriven.full), (1, false));
    let seen = management.get(id()).await.unwrap().unwrap();
    assert_eq!((seen.state, seen.attempt), (State::Ready, 0));
    assert_is_the_old_one(&seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_hides_no_neighbour() {
    let Some((server, backend)) = with_queue().await else {
        return;
    };
    let mut other = entry();
    other[0] = 9;
    for (number, entry) in [other, entry()].iter().enumerate() {
        let id = match number {
            0 => [0x99; 16],
            _ => *id().as_bytes(),
        };
        let place = server.call(&[b"XADD", STREAM, b"*", b"m", entry]);
        server.call(&[b"HSET", INDEX, &id, place.text().unwrap().as_bytes()]);
    }
    let management = backend.manage(&NAME).await.unwrap();
    let peeked = management.peek(9).await.unwrap();
    assert_eq!(peeked.len(), 1);
    assert_is_the_old_one(&peeked[0]);
    let page = management.list(State::Ready, PageRequest::first(9)).await;
    assert_eq!(page.unwrap().items.len(), 1);
    let spoilt = MessageId::from_bytes([0x99; 16]);
    let error = management.get(spoilt).await.unwrap_err().to_string();
    assert!(error.contains("version is 9"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_layout_is_refused_and_not_touched() {
    let Some((server, backend)) = with_queue().await else {
        return;
    };
    let management = backend.manage(&NAME).await.unwrap();
    server.call(&[b"HSET", META, b"v", b"2"]);
    let before = server.call(&[b"DUMP", META]);
    let config = QueueConfig::default();
    let target = CancelTarget::Id(id());
    let answers = [
        backend.create(&NAME, &config).await,
        backend.open(&NAME, None).await.map(drop),
        backend.manage(&NAME).await.map(drop),
        backend.config(&NAME).await.map(drop),
        backend.update(&NAME, &config).await,
        backend.delete(&NAME).await,
        management.stats().await.map(drop),
        management.get(id()).await.map(drop),
        management.cancel(target).await.map(drop),
        management.pause().await,
        management.purge().await.map(drop),
    ];
    for answer in answers {
        let error = answer.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{error:?}");
        assert!(text.contains("layout") && text.contains(": 2"), "{text}");
        assert!(!error.is_retryable());
        assert_eq!(error.certainty(), Certainty::NotDone);
    }
    assert_eq!(server.call(&[b"DUMP", META]), before);
    assert!(matches!(before, Reply::Bulk(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_went_missing_is_made_again_and_its_messages_are_forgotten() {
    let Some((server, backend)) = with_queue().await else {
        return;
    };
    server.call(&[b"HSET", INDEX, id().as_bytes(), b"1-1"]);
    server.call(&[b"DEL", STREAM]);
    let management = backend.manage(&NAME).await.unwrap();
    assert_eq!(management.stats().await.unwrap().live(), 0);
    assert!(management.get(id()).await.unwrap().is_none());
    let known = server.call(&[b"HEXISTS", INDEX, id().as_bytes()]);
    assert_eq!(known, Reply::Integer(0));
    let groups = server.call(&[b"XINFO", b"GROUPS", STREAM]);
    assert!(matches!(groups, Reply::Array(groups) if groups.len() == 1));
}
