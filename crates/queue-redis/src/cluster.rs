//! All servers, and which of them has which slot.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use crc::{CRC_16_XMODEM, Crc};
use forebay_queue_core::{Durability, Error, QueueName};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use redis::Value;
use tokio::time::{Instant, timeout_at};

use crate::call::Call;
use crate::confirm::{Confirm, Level};
use crate::connection::Dialer;
use crate::endpoint::Endpoint;
use crate::failure::{Advice, Failure};
use crate::keys;
use crate::link::Link;
use crate::node::Node;
use crate::options::RedisOptions;
use crate::sentinels;

/// How many slots a cluster has.
const SLOTS: u16 = 16384;

/// The servers of one backend: one, the one that sentinels name, or the nodes of a cluster.
///
/// The crate's cluster client is not used: a queue lives in one slot, so all it needs is the node that owns it. To
/// sentinels it is the same question: who owns all slots.
pub(crate) struct Servers {
    dialer: Arc<Dialer>,
    nodes: Mutex<HashMap<Endpoint, Arc<Node>>>,
    owners: Mutex<Owners>,
    lookup: tokio::sync::Mutex<()>,
    /// The owner of a slot has to be asked for.
    has_owners: AtomicBool,
    waits_for_disk: AtomicBool,
    is_closed: AtomicBool,
}

/// Who owns which slots, as far as it is known.
#[derive(Default)]
struct Owners {
    /// First slot, last slot, owner.
    ranges: Vec<(u16, u16, Endpoint)>,
    /// What was learned since, slot by slot.
    moved: HashMap<u16, Endpoint>,
}

impl Servers {
    /// Does not connect yet.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] when the file of the authority cannot be used.
    pub(crate) fn new(options: RedisOptions) -> Result<Arc<Self>, Error> {
        let has_owners = options.seeds.len() > 1 || options.watched.is_some();
        Ok(Arc::new(Self {
            dialer: Arc::new(Dialer::new(options)?),
            nodes: Mutex::default(),
            owners: Mutex::default(),
            lookup: tokio::sync::Mutex::default(),
            has_owners: AtomicBool::new(has_owners),
            waits_for_disk: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }))
    }

    pub(crate) fn options(&self) -> &RedisOptions {
        self.dialer.options()
    }

    /// The way to a queue.
    pub(crate) fn link(self: &Arc<Self>, queue: &QueueName) -> Link {
        let mark = format!("{}:{{{queue}}}:mark", self.options().prefix());
        Link::new(self.clone(), slot(queue.as_str()), Some(mark.into()))
    }

    /// The way to the set of the names of all queues.
    pub(crate) fn registry(self: &Arc<Self>) -> Link {
        let key = keys::registry(self.options().prefix());
        Link::new(self.clone(), slot(&*key), None)
    }

    /// Closes every connection; calls fail from then on. Whoever still waits on one goes on waiting.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.nodes.lock().clear();
    }

    /// From now on changes wait for the server's disk where `fsynced` is asked for.
    pub(crate) fn wait_for_disk(&self) {
        self.waits_for_disk.store(true, Ordering::Release);
    }

    /// What the changes of a queue wait for.
    pub(crate) fn confirm(&self, mark: Option<&Bytes>) -> Option<Confirm> {
        let level = match self.options().durability {
            Some(Durability::Replicated(replicas)) => Level::Replicas(replicas),
            _ if self.waits_for_disk.load(Ordering::Acquire) => Level::Disk,
            _ => return None,
        };
        // The answer has to be back before whoever asks gives up.
        let patience = self.options().response_timeout / 2;
        Some(Confirm::new(level, mark.cloned(), patience))
    }

    /// The node that owns the slot, looked up where nobody knows.
    pub(crate) async fn owner(&self, slot: u16) -> Result<Arc<Node>, Failure> {
        if !self.has_owners.load(Ordering::Acquire) {
            return self.node(&self.options().seeds[0]);
        }
        if let Some(owner) = self.owners.lock().of(slot) {
            return self.node(&owner);
        }
        let _one_at_a_time = self.lookup.lock().await;
        if let Some(owner) = self.owners.lock().of(slot) {
            return self.node(&owner);
        }
        self.look_up().await?;
        let owner = self.owners.lock().of(slot);
        let owner = owner.ok_or_else(|| {
            Failure::not_done(Advice::Retry, "no node of the cluster has the queue's slot")
        })?;
        self.node(&owner)
    }

    /// Every node that owns slots; outside a cluster the server.
    pub(crate) async fn primaries(&self) -> Result<Vec<Arc<Node>>, Failure> {
        self.owner(0).await?;
        if !self.has_owners.load(Ordering::Acquire) {
            return Ok(vec![self.node(&self.options().seeds[0])?]);
        }
        let mut found: Vec<Endpoint> = Vec::new();
        for (_, _, owner) in &self.owners.lock().ranges {
            if !found.contains(owner) {
                found.push(owner.clone());
            }
        }
        found.iter().map(|owner| self.node(owner)).collect()
    }

    /// Notes what a failure says about where the slot is.
    pub(crate) fn note(&self, slot: u16, failure: &Failure) {
        if let Some(owner) = failure.moved() {
            self.has_owners.store(true, Ordering::Release);
            self.owners.lock().moved.insert(slot, owner.clone());
        } else if failure.advice() == Advice::Reconnect {
            *self.owners.lock() = Owners::default();
        }
    }

    fn node(&self, endpoint: &Endpoint) -> Result<Arc<Node>, Failure> {
        let mut nodes = self.nodes.lock();
        if self.is_closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let made = || Arc::new(Node::new(self.dialer.clone(), endpoint.clone()));
        Ok(nodes.entry(endpoint.clone()).or_insert_with(made).clone())
    }

    /// Asks all nodes that are known at once; the first to answer is believed.
    async fn look_up(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.options().connect_timeout;
        let seeds = &self.options().seeds;
        let mut asked = seeds.clone();
        if self.options().watched.is_none() {
            let nodes = self.nodes.lock();
            asked.extend(nodes.keys().filter(|node| !seeds.contains(node)).cloned());
        }
        let mut answers: FuturesUnordered<_> = asked.iter().map(|node| self.ask(node)).collect();
        let mut last = None;
        loop {
            match timeout_at(deadline, answers.next()).await {
                Ok(Some(Ok(ranges))) => {
                    let moved = HashMap::new();
                    *self.owners.lock() = Owners { ranges, moved };
                    return Ok(());
                }
                Ok(Some(Err(failure))) => last = Some(failure),
                Ok(None) | Err(_) => {
                    return Err(last.unwrap_or_else(|| {
                        let text = "nobody can be reached who knows where the server is";
                        Failure::not_done(Advice::Reconnect, text)
                    }));
                }
            }
        }
    }

    async fn ask(&self, endpoint: &Endpoint) -> Result<Vec<(u16, u16, Endpoint)>, Failure> {
        if let Some(name) = &self.options().watched {
            let primary = sentinels::primary(&self.dialer, endpoint, name).await?;
            return Ok(vec![(0, SLOTS - 1, primary)]);
        }
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let call = Call::command(command);
        let answer = self.node(endpoint)?.look(&[&call]).await?.pop();
        let ranges = ranges(&answer.unwrap_or(Ok(Value::Nil))?, endpoint);
        ranges
            .filter(|ranges| !ranges.is_empty())
            .ok_or_else(|| Failure::not_done(Advice::Retry, "a node of the cluster knows no slots"))
    }
}

impl Owners {
    fn of(&self, slot: u16) -> Option<Endpoint> {
        if let Some(owner) = self.moved.get(&slot) {
            return Some(owner.clone());
        }
        let mut ranges = self.ranges.iter();
        let found = ranges.find(|(first, last, _)| (*first..=*last).contains(&slot));
        found.map(|(_, _, owner)| owner.clone())
    }
}

/// The slot of what stands between the braces of a key, or of a key without any.
pub(crate) fn slot(tag: impl AsRef<[u8]>) -> u16 {
    const SUM: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);
    SUM.checksum(tag.as_ref()) % SLOTS
}

/// Reads the answer of CLUSTER SLOTS: first, last, owner (host, port, …), replicas….
fn ranges(answer: &Value, asked: &Endpoint) -> Option<Vec<(u16, u16, Endpoint)>> {
    let Value::Array(ranges) = answer else {
        return None;
    };
    let range = |range: &Value| {
        let Value::Array(parts) = range else {
            return None;
        };
        let [Value::Int(first), Value::Int(last), Value::Array(owner), ..] = &parts[..] else {
            return None;
        };
        let [host, Value::Int(port), ..] = &owner[..] else {
            return None;
        };
        let host = match host {
            Value::BulkString(host) => std::str::from_utf8(host).ok()?,
            _ => "",
        };
        let owner = Endpoint::named(host, u16::try_from(*port).ok()?, asked);
        Some((
            u16::try_from(*first).ok()?,
            u16::try_from(*last).ok()?,
            owner,
        ))
    };
    ranges.iter().map(range).collect()
}

fn closed() -> Failure {
    Failure::not_done(Advice::Fatal, "the backend was closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_servers() {
        // From the specification of the cluster, and as CLUSTER KEYSLOT says.
        assert_eq!(slot("123456789"), 12739);
        assert_eq!(slot("foo"), 12182);
        assert_eq!(slot("user1000"), 3443);
    }

    #[test]
    fn owners_are_read_as_servers_write_them() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = |first, last, nodes: Vec<Value>| {
            let mut parts = vec![Value::Int(first), Value::Int(last)];
            parts.extend(nodes);
            Value::Array(parts)
        };
        let asked = Endpoint {
            host: "localhost".to_owned(),
            port: 7,
        };
        let answer = Value::Array(vec![
            range(
                0,
                99,
                vec![node(text("127.0.0.1"), 1), node(text("127.0.0.1"), 2)],
            ),
            range(100, 16383, vec![node(Value::Nil, 3)]),
        ]);
        let owners = Owners {
            ranges: ranges(&answer, &asked).unwrap(),
            ..Owners::default()
        };
        let of = |slot| owners.of(slot).map(|owner| (owner.host, owner.port));
        assert_eq!(of(99), Some(("127.0.0.1".to_owned(), 1)));
        assert_eq!(of(100), Some(("localhost".to_owned(), 3)));
        assert!(ranges(&Value::Nil, &asked).is_none());
        assert!(ranges(&Value::Array(vec![Value::Int(1)]), &asked).is_none());
    }
}
