//! A cluster of three nodes, each with a third of the slots.

use std::time::Duration;

use anyhow::{Context, Result};

use super::server::line_of;
use super::{Binary, RedisBuilder, RedisServer, fleet};
use crate::poll::{self, Outcome};

/// How long the nodes may take to agree.
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// First and last slot of each node.
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];
/// What each node says when all have met and every slot is served.
const JOINED: [(&str, &str); 4] = [
    ("cluster_state", "ok"),
    ("cluster_slots_ok", "16384"),
    ("cluster_known_nodes", "3"),
    ("cluster_size", "3"),
];

/// Three nodes without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three nodes alike, gives each its slots, and waits until they agree. That takes
    /// about 2 s, because a node waits that long before it takes writes.
    ///
    /// # Errors
    ///
    /// When one of them does not start, or they do not agree within 30 s.
    pub fn start(builder: &RedisBuilder) -> Result<Self> {
        let nodes = fleet::all(&SLOTS, |_| builder.clone().node().start())?;
        let cluster = Self { nodes };
        cluster.join()?;
        cluster.wait_until_joined()?;
        Ok(cluster)
    }

    /// As [`RedisCluster::start`], of this program and otherwise plain.
    ///
    /// # Errors
    ///
    /// As [`RedisCluster::start`].
    pub fn of(binary: Binary) -> Result<Self> {
        Self::start(&RedisBuilder::new(binary))
    }

    /// The addresses of all nodes, with a comma between them.
    pub fn url(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(RedisServer::url).collect();
        urls.join(",")
    }

    /// The nodes, in the order of their slots.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The nodes, to be broken.
    pub fn nodes_mut(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// The nodes alone.
    pub fn into_nodes(self) -> Vec<RedisServer> {
        self.nodes
    }

    /// Waits until every node serves and knows the others.
    ///
    /// # Errors
    ///
    /// When that is not so within 30 s.
    pub fn wait_until_joined(&self) -> Result<()> {
        let joined = poll::until(JOIN_LIMIT, || {
            if self.nodes.iter().all(is_joined) {
                Outcome::Done(())
            } else {
                Outcome::Again
            }
        });
        joined.with_context(|| format!("the nodes do not agree within {JOIN_LIMIT:?}"))
    }

    fn join(&self) -> Result<()> {
        for (epoch, (node, (first, last))) in (1..).zip(self.nodes.iter().zip(SLOTS)) {
            let mut client = node.client()?;
            let (epoch, first, last) = (epoch.to_string(), first.to_string(), last.to_string());
            // Different from the start, the nodes need not settle it among themselves.
            client.call(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
            client.call(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
        }
        for (position, node) in self.nodes.iter().enumerate() {
            let mut client = node.client()?;
            for other in &self.nodes[position + 1..] {
                let port = other.port().to_string();
                let bus = other.bus_port().context("not a node of a cluster")?;
                let bus = bus.to_string();
                client.call(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
            }
        }
        Ok(())
    }
}

fn is_joined(node: &RedisServer) -> bool {
    let Ok(reply) = node.call(&["CLUSTER", "INFO"]) else {
        return false;
    };
    let text = reply.text().unwrap_or_default();
    JOINED
        .iter()
        .all(|(name, value)| line_of(text, name).as_deref() == Some(value))
}
