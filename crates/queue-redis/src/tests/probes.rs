//! What servers of all kinds turn out to give.

use forebay_queue_core::{Durability, Error, Guarantees};
use forebay_xtask::redis::{RedisCluster, RedisPair};

use super::*;
use crate::probe;

async fn found(url: &str) -> Guarantees {
    let servers = servers(url);
    let found = probe::admit(&servers).await.unwrap();
    let again = probe::probe(&servers).await.unwrap();
    assert_eq!(
        (again.durability, again.replicas),
        (found.durability, found.replicas)
    );
    assert!(probe::health(&servers).await.is_up());
    assert!(!found.detail.contains("127.0.0.1"), "{found:?}");
    found
}

#[tokio::test]
async fn a_server_gives_what_its_files_give() {
    let Some(builder) = builder() else { return };
    let rows = [
        (builder.clone(), Durability::Memory),
        (builder.clone().append_only(), Durability::Fsynced),
        (
            builder.clone().line("appendonly", "yes"),
            Durability::Memory,
        ),
        (
            builder
                .clone()
                .line("appendonly", "yes")
                .line("appendfsync", "no"),
            Durability::Buffered,
        ),
        (
            builder
                .append_only()
                .line("no-appendfsync-on-rewrite", "yes"),
            Durability::Buffered,
        ),
    ];
    for (builder, expected) in rows {
        let server = builder.start().unwrap();
        let found = found(&server.url()).await;
        assert_eq!(
            (found.durability, found.replicas),
            (expected, 0),
            "{found:?}"
        );
        assert!(found.enforce("redis", expected).is_ok());
    }
}

#[tokio::test]
async fn a_replica_counts_when_it_is_waited_for_and_is_no_place_for_a_queue() {
    let Some(builder) = builder() else { return };
    let pair = RedisPair::start(builder).unwrap();
    assert_eq!(found(&pair.primary.url()).await.replicas, 0);
    let demand = Durability::Replicated(1);
    let servers = Servers::new(options(&pair.primary.url()).with_durability(demand)).unwrap();
    let found = probe::admit(&servers).await.unwrap();
    assert!(found.enforce("redis", demand).is_ok(), "{found:?}");
    assert!(found.enforce("redis", Durability::Replicated(2)).is_err());

    let replica = super::servers(&pair.replica.url());
    let error = probe::admit(&replica).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(!probe::health(&replica).await.is_up());
    let failure = Way::to(&replica, "q").count().await.unwrap_err();
    assert_eq!(failure.text(), "the node is a replica now");
}

#[tokio::test]
async fn a_server_that_evicts_is_refused() {
    let Some(builder) = builder() else { return };
    let server = builder
        .line("maxmemory-policy", "allkeys-lru")
        .start()
        .unwrap();
    let error = probe::admit(&servers(&server.url())).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("maxmemory-policy=allkeys-lru"), "{text}");
}

#[tokio::test]
async fn health_tells_within_a_second_that_a_server_is_away() {
    let Some(builder) = builder() else { return };
    let mut server = builder.start().unwrap();
    let servers = servers(&server.url());
    assert!(probe::health(&servers).await.is_up());
    server.pause().unwrap();
    let start = Instant::now();
    assert!(!probe::health(&servers).await.is_up());
    server.kill().unwrap();
    assert!(!probe::health(&servers).await.is_up());
    assert!(start.elapsed() < Duration::from_secs(3));
    server.restart().unwrap();
    until_ok(async || {
        let health = probe::health(&servers).await;
        health.is_up().then_some(()).ok_or(health)
    })
    .await;
}

#[tokio::test]
async fn all_nodes_of_a_cluster_are_asked() {
    let Some(builder) = builder() else { return };
    let cluster = RedisCluster::start(&builder.append_only()).unwrap();
    let found = found(&cluster.url()).await;
    assert_eq!(found.durability, Durability::Fsynced);
    cluster.nodes()[1]
        .call(&["CONFIG", "SET", "appendfsync", "everysec"])
        .unwrap();
    let found = probe::probe(&servers(&cluster.url())).await.unwrap();
    assert_eq!(found.durability, Durability::Memory, "{found:?}");
}
