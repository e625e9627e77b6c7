//! Sizes that the guarding decorator refuses before anything has happened, each at its edge.

use std::sync::Arc;

use forebay_queue_core::{
    Environment, Error, Fingerprint, Headers, NewMessage, ThrottleKey, guarded,
};
use forebay_queue_memory::MemoryBackend;

use crate::house::{House, MINUTE, config, plain};

async fn house() -> House {
    let backend = guarded(Arc::new(MemoryBackend::new(Environment::seeded(1))));
    House::around(backend, config(1_000)).await
}

async fn refused(house: &House, batch: Vec<NewMessage>) -> Error {
    let before = house.desk.stats().await.unwrap();
    let answer = house.queue.publish(batch, MINUTE).await;
    assert_eq!(house.desk.stats().await.unwrap(), before);
    answer.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_payload_over_256_kib() {
    let house = house().await;
    let edge = 256 * 1024;
    house.publish(plain(&"x".repeat(edge))).await;
    let error = refused(&house, vec![plain(""), plain(&"x".repeat(edge + 1))]).await;
    assert!(
        matches!(error, Error::TooLarge { size, limit, .. } if size == edge + 1 && limit == edge),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn more_than_256_messages_in_one_publish() {
    let house = house().await;
    let batch = |count: usize| (0..count).map(|_| plain("x")).collect::<Vec<_>>();
    let error = refused(&house, batch(257)).await;
    assert!(
        matches!(error, Error::TooLarge { limit: 256, .. }),
        "{error}"
    );
    house.queue.publish(batch(256), MINUTE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn more_than_4_mib_in_one_publish() {
    let house = house().await;
    // The kind counts too: 3 bytes each.
    let each = 256 * 1024 - 3;
    let batch = |count: usize| {
        (0..count)
            .map(|_| plain(&"x".repeat(each)))
            .collect::<Vec<_>>()
    };
    house.queue.publish(batch(16), MINUTE).await.unwrap();
    let mut over = batch(16);
    over.push(plain(""));
    let error = refused(&house, over).await;
    let limit = 4 * 1024 * 1024;
    assert!(
        matches!(error, Error::TooLarge { size, limit: l, .. } if size == limit + 3 && l == limit),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn headers_over_8_kib_or_32() {
    let mut headers = Headers::new();
    headers.insert("a", "x".repeat(8 * 1024 - 1)).unwrap();
    let error = headers.insert("b", "").unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 8192, .. }),
        "{error}"
    );
    let mut many = Headers::new();
    for n in 0..32 {
        many.insert(format!("h{n}"), "").unwrap();
    }
    let error = many.insert("one-more", "").unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 32, .. }),
        "{error}"
    );
    let house = house().await;
    house.publish(plain("x").with_headers(headers)).await;
    house.publish(plain("x").with_headers(many)).await;
}

#[tokio::test(start_paused = true)]
async fn more_than_8_throttle_keys() {
    let house = house().await;
    let mut message = plain("x");
    for n in 0..9 {
        message = message.with_throttle_key(ThrottleKey::new(format!("t{n}")).unwrap());
    }
    let error = refused(&house, vec![message]).await;
    assert!(
        matches!(
            error,
            Error::TooLarge {
                size: 9,
                limit: 8,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fingerprint_without_a_key() {
    let house = house().await;
    let message = plain("x").with_fingerprint(Fingerprint([1; 32]));
    let error = refused(&house, vec![message]).await;
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_queue() {
    let backend = guarded(Arc::new(MemoryBackend::new(Environment::seeded(1))));
    let house = House::around(backend, config(2)).await;
    let batch = vec![plain("a"), plain("b"), plain("c")];
    let error = refused(&house, batch).await;
    assert!(
        matches!(
            error,
            Error::TooLarge {
                size: 3,
                limit: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(!error.is_retryable());
}
