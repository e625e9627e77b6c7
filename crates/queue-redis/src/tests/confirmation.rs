//! Changes that wait for replicas or the disk.

use std::time::Duration;

use forebay_queue_core::{Certainty, Durability};
use forebay_xtask::redis::{Binary, RedisPair};
use redis::Value;
use tokio::time::Instant;

use super::*;
use crate::failure::Advice;
use crate::probe;

fn replicated(url: &str, replicas: u8) -> Arc<Servers> {
    let durability = Durability::Replicated(replicas);
    let options = options(url).with_durability(durability);
    Servers::new(options.with_response_timeout(Duration::from_millis(600))).unwrap()
}

async fn a_change_that_too_few_replicas_have_is_unknown(builder: RedisBuilder) {
    let RedisPair {
        primary,
        mut replica,
    } = RedisPair::start(builder).unwrap();
    let servers = replicated(&primary.url(), 1);
    let way = Way::to(&servers, "q");
    // At its beginning the replica may be late.
    until_ok(async || way.count().await).await;
    let found = probe::probe(&servers).await.unwrap();
    assert_eq!(found.replicas, 1, "{found}");
    let wants_more = Way::to(&replicated(&primary.url(), 2), "q");
    let failure = wants_more.count().await.unwrap_err();
    assert_eq!(failure.text(), "1 of 2 replicas have confirmed the change");

    replica.pause().unwrap();
    let (failure, looked) = tokio::join!(way.count(), async {
        let start = Instant::now();
        way.look().await.unwrap();
        start.elapsed()
    });
    let failure = failure.unwrap_err();
    assert_eq!(failure.certainty(), Certainty::Unknown);
    assert_eq!(failure.advice(), Advice::Retry);
    assert_eq!(failure.text(), "0 of 1 replicas have confirmed the change");
    // Whoever only looks does not stand behind those who wait.
    assert!(looked < Duration::from_millis(250), "{looked:?}");

    // Another connection that writes nothing: what it found is not confirmed either.
    let other = Way::to(&replicated(&primary.url(), 1), "q");
    let found = other.link.call(&LOOK, &other.keys, [""; 0]).await;
    assert_eq!(found.unwrap_err().certainty(), Certainty::Unknown);

    replica.resume().unwrap();
    until_ok(async || way.count().await).await;
    other.link.call(&LOOK, &other.keys, [""; 0]).await.unwrap();
}

#[tokio::test]
async fn a_change_that_too_few_replicas_have_is_unknown_on_redis() {
    let Some(builder) = builder() else { return };
    a_change_that_too_few_replicas_have_is_unknown(builder).await;
}

#[tokio::test]
async fn a_change_that_too_few_replicas_have_is_unknown_on_valkey() {
    let Some(binary) = Binary::valkey() else {
        println!("skipped: no valkey-server");
        return;
    };
    a_change_that_too_few_replicas_have_is_unknown(RedisBuilder::new(binary)).await;
}

#[tokio::test]
async fn a_full_server_still_confirms_what_makes_room() {
    let Some(builder) = builder() else { return };
    let RedisPair { primary, replica } = RedisPair::start(builder).unwrap();
    let servers = replicated(&primary.url(), 1);
    let way = Way::to(&servers, "q");
    until_ok(async || way.count().await).await;
    primary.call(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let failure = way.count().await.unwrap_err();
    assert_eq!(
        (failure.advice(), failure.certainty()),
        (Advice::Full, Certainty::NotDone)
    );
    let settle = Call::command({
        let mut command = redis::cmd("HDEL");
        command.arg(way.keys.all()[0].as_ref()).arg("n");
        command
    });
    assert_eq!(way.link.one(settle.confirmed()).await, Ok(Value::Int(1)));
    drop(replica);
}

#[tokio::test]
async fn waiting_for_the_disk_makes_everysec_last() {
    let Some(binary) = Binary::valkey() else {
        println!("skipped: no valkey-server");
        return;
    };
    let builder = RedisBuilder::new(binary).line("appendonly", "yes");
    let mut server = builder.line("appendfsync", "everysec").start().unwrap();
    let loose = servers(&server.url());
    assert_eq!(
        probe::admit(&loose).await.unwrap().durability,
        Durability::Memory
    );
    let options = options(&server.url()).with_durability(Durability::Fsynced);
    let servers = Servers::new(options.with_response_timeout(Duration::from_secs(10))).unwrap();
    let found = probe::admit(&servers).await.unwrap();
    assert_eq!(found.durability, Durability::Fsynced, "{found:?}");
    let way = Way::to(&servers, "q");
    way.count().await.unwrap();
    server.kill().unwrap();
    server.restart().unwrap();
    let count = until_ok(async || way.look().await).await;
    assert_eq!(count, Value::BulkString(b"1".to_vec()));
}
