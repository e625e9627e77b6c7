//! A server, or a cluster, that all cases of a file use.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{Backend, Environment};
use forebay_queue_redis::{RedisBackend, RedisOptions};
use forebay_tests::redis::{Kind, Shared, queue_name, shared, variable};
use forebay_xtask::redis::{RedisBuilder, RedisCluster, RedisServer};
use parking_lot::Mutex;

/// The cases that restart the server, besides those of the group `restart`.
const RESTARTS: [(&str, &str); 1] = [(
    "leases_fencing",
    "a_receipt_from_before_a_restart_settles_no_later_delivery",
)];

/// A server for one case. It is that of the whole run, or of the file, with a prefix of its own; a case that restarts
/// its server has one of its own, which writes everything to its disk at once.
pub(crate) struct Public {
    options: RedisOptions,
    server: Mutex<Server>,
}

enum Server {
    /// Kept to be ended by the last who uses it.
    Everybodys(#[expect(dead_code, reason = "it is only kept")] Arc<Shared>),
    Own(Vec<RedisServer>),
    Cluster(RedisCluster),
}

impl Public {
    /// The server of this kind for a case. `None`, with a line that says so, where it is not installed.
    ///
    /// # Panics
    /// When it is missing though servers are required, and when it does not start.
    pub(crate) fn of(kind: Kind, group: &str, name: &str) -> Option<Self> {
        let everybodys = everybodys(kind)?;
        let is_alone = group == "restart" || RESTARTS.contains(&(group, name));
        let (url, authority, server) = if is_alone {
            own(kind)
        } else {
            let authority = (kind == Kind::Tls).then(|| everybodys.value(variable::TLS_AUTHORITY));
            let authority = authority.map(PathBuf::from);
            (
                everybodys.url().to_owned(),
                authority,
                Server::Everybodys(everybodys),
            )
        };
        let options = RedisOptions::new(&url).expect("it is a URL");
        let options = options.with_prefix(&queue_name());
        let mut options = options.expect("the name of a test is a prefix");
        if let Some(authority) = authority {
            options = options.with_authority(&authority);
        }
        Some(Self {
            options,
            server: Mutex::new(server),
        })
    }
}

#[async_trait]
impl Harness for Public {
    async fn connect(&self) -> Arc<dyn Backend> {
        let backend = RedisBackend::connect(self.options.clone(), Environment::system()).await;
        Arc::new(backend.expect("the server is there"))
    }

    async fn restart(&self) {
        match &mut *self.server.lock() {
            Server::Everybodys(_) => panic!("others use this server: list the case in RESTARTS"),
            Server::Own(servers) => again(servers),
            Server::Cluster(cluster) => {
                again(cluster.nodes_mut());
                cluster.wait_until_joined().expect("the nodes agree");
            }
        }
    }

    fn timing(&self) -> Timing {
        Timing::NETWORK
    }
}

fn again(servers: &mut [RedisServer]) {
    for server in &mut *servers {
        server.kill().expect("the server dies");
    }
    for server in servers {
        server.restart().expect("the server comes back");
    }
}

/// The one of the whole run; else one that lives as long as a case uses it.
fn everybodys(kind: Kind) -> Option<Arc<Shared>> {
    static LIVING: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
    let mut living = LIVING.lock();
    if let Some(there) = living.upgrade() {
        return Some(there);
    }
    let started = Arc::new(shared(kind)?);
    *living = Arc::downgrade(&started);
    Some(started)
}

/// Where it is, whom to trust, and the server itself.
fn own(kind: Kind) -> (String, Option<PathBuf>, Server) {
    let binary = kind.binary().expect("it has been found before");
    let builder = RedisBuilder::new(binary).append_only();
    if kind == Kind::Cluster {
        let cluster = RedisCluster::start(&builder).expect("the cluster starts");
        return (cluster.url(), None, Server::Cluster(cluster));
    }
    let builder = match kind {
        Kind::Tls => builder.encrypted(),
        _ => builder,
    };
    let server = builder.start().expect("the server starts");
    let authority = server.authority().map(PathBuf::from);
    (server.url(), authority, Server::Own(vec![server]))
}
