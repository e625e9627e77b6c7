//! What befalls a queue on its server while it is used: sessions go on, and nothing that is there is lost.

mod server;

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{
    Backend, Delivery, Error, Kind, NackAction, NewMessage, Queue, QueueConfig, QueueName, Receipt,
    SettleOutcome,
};
use forebay_tests::wait;
use forebay_xtask::redis::Reply;
use tokio::time::timeout;

use server::Private;

const NAME: QueueName = QueueName::from_static("q");
const STREAM: &[u8] = b"forebay:{q}:stream";
const BELL: &[u8] = b"forebay:{q}:bell";
const INDEX: &[u8] = b"forebay:{q}:index";
const BAD: &[u8] = b"forebay:{q}:bad";
const LIMIT: Duration = Duration::from_secs(20);

struct Stand {
    server: Private,
    backend: Arc<dyn Backend>,
    queue: Arc<dyn Queue>,
}

async fn stand(config: QueueConfig) -> Option<Stand> {
    let server = Private::forgetful(Timing::NETWORK)?;
    let backend = server.connect().await;
    let created = backend.create(&NAME, &config).await;
    created.expect("the queue is made");
    let queue = backend.open(&NAME, None).await;
    let queue = queue.expect("the queue opens");
    Some(Stand {
        server,
        backend,
        queue,
    })
}

fn message(text: &str) -> NewMessage {
    NewMessage::new(Kind::from_static("k"), text.to_owned())
}

fn text(delivery: &Delivery) -> &str {
    std::str::from_utf8(delivery.message.payload()).expect("it is text")
}

fn texts(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(text).collect()
}

impl Stand {
    async fn publish(&self, texts: &[&str]) {
        let messages = texts.iter().map(|text| message(text)).collect();
        let published = self.queue.publish(messages, Duration::ZERO).await;
        let published = published.expect("there is room");
        assert_eq!(published.len(), texts.len());
    }

    async fn take(&self, max: usize) -> Vec<Delivery> {
        let taken = timeout(LIMIT, self.queue.receive(max, LIMIT)).await;
        let taken = taken.expect("a receive keeps its time");
        taken.expect("the session is open")
    }

    fn number(&self, command: &[&[u8]]) -> i64 {
        let reply = self.server.call(command);
        reply.integer().expect("the server answers a number")
    }

    fn consumers(&self) -> usize {
        match self
            .server
            .call(&[b"XINFO", b"CONSUMERS", STREAM, b"forebay"])
        {
            Reply::Array(consumers) => consumers.len(),
            other => panic!("{other:?}"),
        }
    }
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|d| d.receipt.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_the_server_has_lost_is_made_again_and_used_on() {
    let Some(stand) = stand(QueueConfig::default()).await else {
        return;
    };
    stand.publish(&["lost"]).await;
    let held = stand.take(1).await;
    let waiting = {
        let queue = Arc::clone(&stand.queue);
        tokio::spawn(async move { queue.receive(9, LIMIT).await })
    };
    stand.server.has_blocked(1).await;
    stand.server.call(&[b"FLUSHALL"]);
    stand.publish(&["after"]).await;
    let received = timeout(LIMIT, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(texts(&received), ["after"]);
    let outcomes = stand.queue.ack(&receipts(&held)).await.unwrap();
    assert_eq!(outcomes, [SettleOutcome::LeaseLost]);
    let outcomes = stand.queue.ack(&receipts(&received)).await.unwrap();
    assert_eq!(outcomes, [SettleOutcome::Done]);
    // An open of a queue that nobody uses stays refused.
    let other = QueueName::from_static("other");
    let opened = stand.backend.open(&other, None).await.map(drop);
    assert!(matches!(opened, Err(Error::QueueNotFound { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_or_a_group_that_is_gone_is_made_again() {
    let Some(stand) = stand(QueueConfig::default()).await else {
        return;
    };
    stand.publish(&["lost"]).await;
    for gone in [STREAM, BELL] {
        stand.server.call(&[b"DEL", gone]);
        stand.publish(&["a"]).await;
        let taken = stand.take(9).await;
        assert_eq!(texts(&taken), ["a"]);
        let outcomes = stand.queue.ack(&receipts(&taken)).await.unwrap();
        assert_eq!(outcomes, [SettleOutcome::Done]);
    }
    stand.publish(&["kept"]).await;
    stand
        .server
        .call(&[b"XGROUP", b"DESTROY", STREAM, b"forebay"]);
    assert_eq!(texts(&stand.take(9).await), ["kept"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_put_aside_and_its_neighbours_are_delivered() {
    let Some(stand) = stand(QueueConfig::default()).await else {
        return;
    };
    stand.publish(&["before"]).await;
    for bytes in [&b""[..], b"\x01", b"\x09nonsense", &[1; 400]] {
        stand.server.call(&[b"XADD", STREAM, b"*", b"m", bytes]);
    }
    stand
        .server
        .call(&[b"XADD", STREAM, b"*", b"x", b"y", b"m", b"z"]);
    stand.publish(&["behind"]).await;
    let taken = stand.take(99).await;
    assert_eq!(texts(&taken), ["before", "behind"]);
    assert_eq!(stand.number(&[b"HLEN", BAD]), 5);
    stand.queue.ack(&receipts(&taken)).await.unwrap();
    assert_eq!(stand.number(&[b"XLEN", STREAM]), 0);
    assert_eq!(stand.number(&[b"HLEN", INDEX]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_has_expired_is_handed_out_by_a_server_that_has_forgotten_its_scripts() {
    let Some(stand) = stand(QueueConfig::default()).await else {
        return;
    };
    // A connection that is there already.
    assert!(
        stand
            .queue
            .receive(1, Duration::ZERO)
            .await
            .unwrap()
            .is_empty()
    );
    let short = message("short").with_time_to_live(Duration::from_millis(30));
    let published = stand.queue.publish(vec![short], Duration::ZERO).await;
    published.unwrap();
    let expires = stand.server.now() + 30_000;
    wait::until("the message has expired", LIMIT, async || {
        stand.server.now() > expires
    })
    .await;
    stand.server.call(&[b"SCRIPT", b"FLUSH"]);
    let received = stand.queue.receive(1, Duration::ZERO).await.unwrap();
    assert!(received.is_empty());
    assert_eq!(stand.number(&[b"XLEN", STREAM]), 0);
    stand.publish(&["next"]).await;
    assert_eq!(texts(&stand.take(1).await), ["next"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_dropped_leaves_nothing_on_the_server() {
    let Some(stand) = stand(QueueConfig::default()).await else {
        return;
    };
    for _ in 0..5 {
        let waiting = stand.queue.receive(1, LIMIT);
        assert!(timeout(Duration::from_millis(30), waiting).await.is_err());
    }
    wait::until("the names of dropped readers go", LIMIT, async || {
        stand.consumers() == 0
    })
    .await;
    stand.publish(&["a"]).await;
    let taken = stand.take(1).await;
    assert_eq!(taken[0].attempt, 1);
    stand.queue.ack(&receipts(&taken)).await.unwrap();
    stand.queue.close().await.unwrap();
    wait::until("the name of a closed reader goes", LIMIT, async || {
        stand.consumers() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_of_many_that_one_reader_holds_are_found() {
    let Some(stand) = stand(QueueConfig::default()).await else {
        return;
    };
    let texts: Vec<String> = (0..250).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    stand.publish(&texts).await;
    let held = stand.take(250).await;
    assert_eq!(held.len(), 250);
    let few = [&held[0], &held[120], &held[249]].map(|d| d.receipt.clone());
    let outcomes = stand.queue.extend(&few).await.unwrap();
    assert_eq!(outcomes, [SettleOutcome::Done; 3]);
    let outcomes = stand.queue.ack(&few).await.unwrap();
    assert_eq!(outcomes, [SettleOutcome::Done; 3]);
    let outcomes = stand.queue.ack(&few).await.unwrap();
    assert_eq!(outcomes, [SettleOutcome::LeaseLost; 3]);
    let twice = [&held[1], &held[1]].map(|d| d.receipt.clone());
    let outcomes = stand.queue.ack(&twice).await.unwrap();
    assert_eq!(outcomes, [SettleOutcome::Done, SettleOutcome::LeaseLost]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leases_of_a_great_many_come_back_and_none_twice() {
    const COUNT: usize = 2_000;
    let lease = Duration::from_millis(1_500);
    let config = QueueConfig {
        lease,
        ..QueueConfig::default()
    };
    let Some(stand) = stand(config).await else {
        return;
    };
    let texts: Vec<String> = (0..COUNT).map(|n| n.to_string()).collect();
    for part in texts.chunks(250) {
        let part: Vec<&str> = part.iter().map(String::as_str).collect();
        stand.publish(&part).await;
    }
    let mut held = 0;
    while held < COUNT {
        held += stand.take(250).await.len();
    }
    let mut again = Vec::new();
    while again.len() < COUNT {
        let batch = stand.take(250).await;
        assert!(!batch.is_empty(), "{} came back", again.len());
        let outcomes = stand.queue.ack(&receipts(&batch)).await.unwrap();
        assert!(outcomes.iter().all(|o| *o == SettleOutcome::Done));
        again.extend(batch);
    }
    assert!(again.iter().all(|d| d.attempt == 2 && d.errors.len() == 1));
    assert_eq!(stand.number(&[b"XLEN", STREAM]), 0);
    assert_eq!(stand.number(&[b"HLEN", INDEX]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_used_on_when_it_is_back() {
    let Some(server) = Private::start(Timing::NETWORK) else {
        return;
    };
    let backend = server.connect().await;
    backend
        .create(&NAME, &QueueConfig::default())
        .await
        .unwrap();
    let queue = backend.open(&NAME, None).await.unwrap();
    queue
        .publish(vec![message("kept"), message("given back")], LIMIT)
        .await
        .unwrap();
    let held = queue.receive(1, LIMIT).await.unwrap();
    let waiting = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            queue.receive(1, LIMIT).await?;
            queue.receive(1, LIMIT / 4).await
        })
    };
    server.has_blocked(1).await;
    server.restart().await;
    // It either notices, or waits on when the server is back.
    let waited = timeout(LIMIT, waiting).await.unwrap().unwrap();
    let is_over = matches!(&waited, Err(Error::Unavailable { .. }))
        || waited.as_ref().is_ok_and(Vec::is_empty);
    assert!(is_over, "{waited:?}");
    let release = forebay_queue_core::Nack {
        receipt: held[0].receipt.clone(),
        action: NackAction::Release {
            after: Duration::ZERO,
        },
        cause: None,
    };
    let outcomes = wait::value("the server is there again", LIMIT, async || {
        match queue.nack(vec![release.clone()]).await {
            Ok(outcomes) => Some(outcomes),
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                None
            }
        }
    })
    .await;
    assert_eq!(outcomes, [SettleOutcome::Done]);
    let again = queue.receive(9, LIMIT).await.unwrap();
    assert_eq!(texts(&again), ["kept"]);
    assert_eq!(again[0].attempt, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_start_of_the_server_brings_back_is_no_message() {
    let Some(server) = Private::start(Timing::NETWORK) else {
        return;
    };
    let backend = server.connect().await;
    backend
        .create(&NAME, &QueueConfig::default())
        .await
        .unwrap();
    let queue = backend.open(&NAME, None).await.unwrap();
    let waiting = vec![message("acked"), message("kept")];
    queue.publish(waiting, LIMIT).await.unwrap();
    // As a script leaves it of which a start runs the first half: entries, and nothing in the index that names them.
    let Reply::Array(entries) = server.call(&[b"XRANGE", STREAM, b"-", b"+"]) else {
        panic!("the stream has entries");
    };
    let bytes = |entry: &Reply| match entry {
        Reply::Array(parts) => match &parts[1] {
            Reply::Array(fields) => match &fields[1] {
                Reply::Bulk(bytes) => bytes.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let acked = queue.receive(1, LIMIT).await.unwrap();
    queue.ack(&receipts(&acked)).await.unwrap();
    for entry in &entries {
        server.call(&[b"XADD", STREAM, b"*", b"m", &bytes(entry)]);
    }
    server.restart().await;
    let received = queue.receive(9, LIMIT).await.unwrap();
    assert_eq!(texts(&received), ["kept"]);
    assert_eq!(received[0].attempt, 1);
    queue.ack(&receipts(&received)).await.unwrap();
    let later = queue.receive(9, Duration::ZERO).await.unwrap();
    assert!(later.is_empty(), "{later:?}");
    let length = server.call(&[b"XLEN", STREAM]).integer();
    assert_eq!(length, Some(0));
    // What comes after the start is not in doubt.
    queue.publish(vec![message("new")], LIMIT).await.unwrap();
    let received = queue.receive(9, LIMIT).await.unwrap();
    assert_eq!(texts(&received), ["new"]);
}
