//! Queues in a cluster.

use forebay_queue_core::Certainty;
use forebay_xtask::redis::RedisCluster;
use redis::Value;

use super::*;
use crate::cluster::slot;
use crate::failure::Advice;

fn start() -> Option<RedisCluster> {
    Some(RedisCluster::start(&builder()?).unwrap())
}

/// A queue whose slot is one of the node with that position.
fn name_on(position: usize) -> String {
    let names = (0..).map(|i| format!("q{i}"));
    let mut of_node = names.filter(|name| usize::from(slot(name)) * 3 / 16384 == position);
    of_node.next().unwrap()
}

fn node_id(cluster: &RedisCluster, position: usize) -> String {
    let reply = cluster.nodes()[position]
        .call(&["CLUSTER", "MYID"])
        .unwrap();
    reply.text().unwrap().to_owned()
}

/// Tells every node that the slot, in which there is nothing, belongs to that one.
fn give(cluster: &RedisCluster, slot: u16, position: usize) {
    let id = node_id(cluster, position);
    // The new owner first, so that nobody is told the old one.
    let nodes = cluster.nodes();
    for node in std::iter::once(&nodes[position]).chain(nodes) {
        node.call(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id])
            .unwrap();
    }
}

#[tokio::test]
async fn a_queue_is_found_on_its_node_from_any_seed_and_after_it_moved() {
    let Some(cluster) = start() else { return };
    let one_seed = cluster.nodes()[0].url();
    for url in [cluster.url(), one_seed] {
        let servers = servers(&url);
        for position in 0..3 {
            let way = Way::to(&servers, &name_on(position));
            way.count().await.unwrap();
            way.look().await.unwrap();
            way.link.dedicated().await.unwrap();
        }
        servers
            .registry()
            .one(command(&["SMEMBERS", "forebay:queues"]))
            .await
            .unwrap();
    }
    let servers = servers(&cluster.url());
    assert_eq!(servers.primaries().await.unwrap().len(), 3);
    let name = "moving";
    let way = Way::to(&servers, name);
    assert_eq!(way.look().await, Ok(Value::Nil));
    let mut own = way.link.dedicated().await.unwrap();
    let old = usize::from(slot(name)) * 3 / 16384;
    give(&cluster, slot(name), (old + 1) % 3);

    // One's own connection leads to the old node for good.
    let look = || Call::script(&LOOK, &way.keys, [""; 0]);
    let failure = own.one(look(), PATIENCE).await.unwrap_err();
    assert_eq!(
        (failure.advice(), failure.certainty()),
        (Advice::Reconnect, Certainty::NotDone)
    );
    let mut own = way.link.dedicated().await.unwrap();
    assert_eq!(own.one(look(), PATIENCE).await, Ok(Value::Nil));

    give(&cluster, slot(name), (old + 2) % 3);
    assert_eq!(way.count().await, Ok(Value::Int(1)));
    let calls = vec![look(), Call::script(&COUNT, &way.keys, ["1"]), look()];
    let answers = way.link.pipeline(calls).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn a_slot_on_its_way_is_waited_out() {
    let Some(cluster) = start() else { return };
    let servers = servers(&cluster.url());
    let name = name_on(0);
    let way = Way::to(&servers, &name);
    let (slot, ids) = (
        slot(&name).to_string(),
        [0, 1].map(|i| node_id(&cluster, i)),
    );
    let [source, target, _] = cluster.nodes() else {
        panic!("three nodes")
    };
    target
        .call(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]])
        .unwrap();
    source
        .call(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]])
        .unwrap();
    let failure = way.count().await.unwrap_err();
    assert_eq!(
        (failure.advice(), failure.certainty()),
        (Advice::Retry, Certainty::NotDone)
    );
    for node in [target, source] {
        node.call(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]])
            .unwrap();
    }
    assert_eq!(until_ok(async || way.count().await).await, Value::Int(1));
}

#[tokio::test]
async fn a_dead_node_stops_its_own_queues_only() {
    let Some(mut cluster) = start() else { return };
    let servers = servers(&cluster.url());
    let dead = Way::to(&servers, &name_on(0));
    dead.count().await.unwrap();
    cluster.nodes_mut()[0].kill().unwrap();
    let failure = until_certain(&dead).await;
    assert_eq!(failure.advice(), Advice::Reconnect, "{failure}");
    for position in 1..3 {
        let way = Way::to(&servers, &name_on(position));
        let call = tokio::time::timeout(PATIENCE, way.link.one(command(&["CLUSTER", "SLOTS"])));
        call.await.unwrap().unwrap();
    }
    cluster.nodes_mut()[0].restart().unwrap();
    until_ok(async || dead.count().await).await;
}

/// Waits until the replica has the primary's data.
async fn until_linked(replica: &RedisServer) {
    until_ok(async || {
        let link = replica.info("replication", "master_link_status").unwrap();
        let is_linked = link.as_deref() == Some("up");
        is_linked.then_some(()).ok_or(link)
    })
    .await;
}

#[tokio::test]
async fn a_queue_is_found_on_the_replica_that_took_over() {
    let Some(mut cluster) = start() else { return };
    let replica = builder().unwrap().node().start().unwrap();
    let (port, bus) = (cluster.nodes()[0].port(), cluster.nodes()[0].bus_port());
    let (port, bus) = (port.to_string(), bus.unwrap().to_string());
    let primary = node_id(&cluster, 0);
    replica
        .call(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
        .unwrap();
    until_ok(async || replica.call(&["CLUSTER", "REPLICATE", &primary])).await;
    until_linked(&replica).await;
    for node in cluster.nodes().iter().chain([&replica]) {
        until_ok(async || {
            let info = node.call(&["CLUSTER", "INFO"]).unwrap();
            let knows_all = info.text().unwrap().contains("cluster_known_nodes:4");
            knows_all.then_some(()).ok_or("too few nodes")
        })
        .await;
    }

    let servers = servers(&cluster.url());
    let way = Way::to(&servers, &name_on(0));
    way.count().await.unwrap();
    let mut own = way.link.dedicated().await.unwrap();
    until_ok(async || {
        let size = replica.call(&["DBSIZE"]).unwrap().integer();
        (size == Some(1)).then_some(()).ok_or(size)
    })
    .await;
    cluster.nodes_mut()[0].kill().unwrap();
    own.one(command(&["PING"]), PATIENCE).await.unwrap_err();
    replica.call(&["CLUSTER", "FAILOVER", "TAKEOVER"]).unwrap();
    assert_eq!(until_ok(async || way.count().await).await, Value::Int(2));
    way.link.dedicated().await.unwrap();
}

async fn until_certain(way: &Way) -> Failure {
    let failed = until_ok(async || match way.count().await {
        Err(failure) if failure.certainty() == Certainty::NotDone => Ok(failure),
        other => Err(other),
    });
    tokio::time::timeout(PATIENCE, failed).await.unwrap()
}
