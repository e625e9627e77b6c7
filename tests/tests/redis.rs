//! The private Redis servers themselves: each kind answers as it should, and one of a test's
//! own starts, stops, hangs and crashes when told to.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_tests::redis::{
    self, Client, Kind, RedisBuilder, RedisCluster, RedisPair, RedisServer, Reply, Shared, variable,
};
use forebay_tests::wait;
use forebay_xtask::redis::Fleet;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const LIMIT: Duration = Duration::from_secs(10);

fn ok() -> Reply {
    Reply::Status("OK".to_owned())
}

fn port_of(url: &str) -> u16 {
    let (_, port) = url.rsplit_once(':').unwrap();
    port.parse().unwrap()
}

/// Over TCP, as whoever the URL names.
fn connect(url: &str) -> Client {
    let mut client = Client::tcp(port_of(url)).unwrap();
    let (_, rest) = url.split_once("://").unwrap();
    if let Some((account, _)) = rest.split_once('@') {
        let (user, password) = account.split_once(':').unwrap();
        assert_eq!(client.call(&["AUTH", user, password]).unwrap(), ok());
    }
    client
}

fn is_pong(client: &mut Client) -> bool {
    client
        .call(&["PING"])
        .is_ok_and(|reply| reply.text() == Some("PONG"))
}

fn refusal(client: &mut Client, command: &[&str]) -> String {
    client.call(command).unwrap_err().to_string()
}

fn setting(client: &mut Client, name: &str) -> Option<String> {
    match client.call(&["CONFIG", "GET", name]).unwrap() {
        Reply::Array(pair) => pair.get(1)?.text().map(str::to_owned),
        _ => None,
    }
}

fn is_process(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_plain_server_keeps_nothing() {
    let Some(server) = redis::shared(Kind::Plain) else {
        return;
    };
    let mut client = connect(server.url());
    assert!(is_pong(&mut client));
    assert_eq!(setting(&mut client, "appendonly").as_deref(), Some("no"));
    assert_eq!(setting(&mut client, "save").as_deref(), Some(""));
    assert_eq!(setting(&mut client, "bind").as_deref(), Some("127.0.0.1"));
}

#[test]
fn an_append_only_server_writes_before_it_answers() {
    let Some(server) = redis::shared(Kind::AppendOnly) else {
        return;
    };
    let mut client = connect(server.url());
    assert_eq!(setting(&mut client, "appendonly").as_deref(), Some("yes"));
    assert_eq!(
        setting(&mut client, "appendfsync").as_deref(),
        Some("always")
    );
}

fn encrypted(server: &Shared) -> Client {
    let authority = server.value(variable::TLS_AUTHORITY);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port_of(server.url()))).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    Client::over(StreamOwned::new(connection, stream))
}

#[test]
fn an_encrypted_server_shows_a_certificate_of_its_authority_and_speaks_nothing_else() {
    let Some(server) = redis::shared(Kind::Tls) else {
        return;
    };
    assert!(server.url().starts_with("rediss://"));
    assert!(is_pong(&mut encrypted(&server)));
    let mut plain = Client::tcp(port_of(server.url())).unwrap();
    assert!(!is_pong(&mut plain));
}

#[test]
fn the_queues_own_user_may_do_little_and_a_stranger_nothing() {
    let Some(server) = redis::shared(Kind::Accounts) else {
        return;
    };
    let mut stranger = Client::tcp(port_of(server.url())).unwrap();
    assert!(refusal(&mut stranger, &["PING"]).starts_with("NOAUTH"));
    let key = redis::key_prefix() + "key";
    let mut user = connect(server.url());
    assert_eq!(user.call(&["SET", &key, "1"]).unwrap(), ok());
    for command in [["SET", "elsewhere", "1"].as_slice(), &["FLUSHALL"]] {
        let refusal = refusal(&mut user, command);
        assert!(refusal.starts_with("NOPERM"), "{refusal}");
    }
    let mut admin = connect(server.value(variable::ACCOUNTS_ADMIN));
    assert_eq!(admin.call(&["DEL", &key]).unwrap(), Reply::Integer(1));
}

#[tokio::test]
async fn a_replica_follows_its_primary() {
    let Some(server) = redis::shared(Kind::Pair) else {
        return;
    };
    let key = redis::key_prefix() + "key";
    let mut primary = connect(server.url());
    let mut replica = connect(server.value(variable::REPLICA));
    assert_eq!(primary.call(&["SET", &key, "1"]).unwrap(), ok());
    wait::until("the key at the replica", LIMIT, async || {
        replica.call(&["GET", &key]).unwrap().text() == Some("1")
    })
    .await;
    assert!(refusal(&mut replica, &["SET", &key, "2"]).starts_with("READONLY"));
}

#[test]
fn the_nodes_of_a_cluster_share_the_slots() {
    let Some(server) = redis::shared(Kind::Cluster) else {
        return;
    };
    let tag = redis::queue_name();
    let key = format!("{{{tag}}}:key");
    let urls: Vec<_> = server.url().split(',').collect();
    assert_eq!(urls.len(), 3);
    let answers = urls
        .iter()
        .map(|url| connect(url).call(&["SET", &key, "1"]));
    let (taken, moved): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
    assert_eq!((taken.len(), moved.len()), (1, 2));
    for refusal in moved {
        let refusal = refusal.unwrap_err().to_string();
        let port = port_of(&refusal);
        assert!(refusal.starts_with("MOVED"), "{refusal}");
        assert!(urls.iter().any(|url| port_of(url) == port), "{refusal}");
    }
}

#[test]
fn valkey_serves_too() {
    let Some(server) = redis::shared(Kind::Valkey) else {
        return;
    };
    let info = connect(server.url()).call(&["INFO", "server"]).unwrap();
    assert!(info.text().unwrap().contains("server_name:valkey"));
}

#[test]
fn a_fleet_tells_where_it_is_and_leaves_nothing_behind() {
    if redis::own().is_none() {
        return;
    }
    let kinds = [Kind::Plain, Kind::Tls, Kind::Accounts, Kind::Pair];
    let fleet = Fleet::start(&kinds).unwrap();
    let told: Vec<_> = fleet.values().map(|(variable, _)| variable).collect();
    let variables: Vec<_> = kinds.iter().flat_map(|kind| kind.variables()).collect();
    assert_eq!(told, variables.into_iter().copied().collect::<Vec<_>>());
    let left = |server: &RedisServer| (server.pid(), server.folder().to_owned());
    let servers: Vec<_> = fleet.servers().map(left).collect();
    assert_eq!(servers.len(), 5);
    assert!(
        servers
            .iter()
            .all(|(pid, folder)| is_process(*pid) && folder.exists())
    );
    drop(fleet);
    for (pid, folder) in servers {
        assert!(!is_process(pid));
        assert!(!folder.exists());
    }
}

#[test]
fn a_dropped_server_leaves_neither_process_nor_folder_nor_port() {
    let Some(builder) = redis::own() else {
        return;
    };
    let server = builder.start().unwrap();
    let (pid, port, folder) = (server.pid(), server.port(), server.folder().to_owned());
    assert!(is_process(pid) && folder.exists());
    assert!(is_pong(&mut connect(&server.url())));
    drop(server);
    assert!(!is_process(pid) && !folder.exists());
    assert!(Client::tcp(port).is_err());
}

#[test]
fn a_killed_append_only_server_comes_back_on_its_port_with_what_it_acknowledged() {
    let Some(builder) = redis::own() else {
        return;
    };
    let mut server = builder.append_only().start().unwrap();
    let (url, pid) = (server.url(), server.pid());
    for round in 0..20 {
        let mut client = connect(&url);
        let expected = Reply::Integer(round + 1);
        assert_eq!(client.call(&["RPUSH", "rounds", "x"]).unwrap(), expected);
        server.kill().unwrap();
        assert!(client.call(&["PING"]).is_err());
        assert!(!server.is_running().unwrap());
        server.restart().unwrap();
    }
    assert_eq!(server.url(), url);
    assert_ne!(server.pid(), pid);
    let kept = connect(&url).call(&["LLEN", "rounds"]).unwrap();
    assert_eq!(kept, Reply::Integer(20));
    assert_eq!(
        server.log().matches("Ready to accept connections").count(),
        21
    );
}

#[test]
fn a_killed_plain_server_comes_back_empty() {
    let Some(builder) = redis::own() else {
        return;
    };
    let mut server = builder.start().unwrap();
    server.call(&["SET", "key", "1"]).unwrap();
    server.kill().unwrap();
    server.restart().unwrap();
    assert_eq!(server.call(&["GET", "key"]).unwrap(), Reply::Nil);
}

#[test]
fn a_stopped_server_ends_as_asked_and_can_be_restarted() {
    let Some(builder) = redis::own() else {
        return;
    };
    let mut server = builder.line("save", "3600 1").start().unwrap();
    server.call(&["SET", "key", "1"]).unwrap();
    assert!(server.restart().is_err(), "it still runs");
    server.stop().unwrap();
    server.stop().unwrap();
    server.kill().unwrap();
    assert!(server.pause().is_err(), "it has ended");
    assert!(server.log().contains("Received SIGTERM"));
    server.restart().unwrap();
    // It was asked to save, and a server that is killed does not.
    assert_eq!(server.call(&["GET", "key"]).unwrap().text(), Some("1"));
}

#[test]
fn a_paused_server_is_silent_until_it_is_resumed() {
    let Some(builder) = redis::own() else {
        return;
    };
    let mut server = builder.start().unwrap();
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
    let limit = Duration::from_millis(200);
    stream.set_read_timeout(Some(limit)).unwrap();
    let mut client = Client::over(stream);
    assert!(is_pong(&mut client));
    server.pause().unwrap();
    assert!(!is_pong(&mut client));
    server.resume().unwrap();
    server.resume().unwrap();
    assert!(is_pong(&mut connect(&server.url())));
}

#[test]
fn a_paused_server_can_be_stopped_killed_and_dropped() {
    let Some(builder) = redis::own() else {
        return;
    };
    let mut server = builder.start().unwrap();
    for end in [RedisServer::stop, RedisServer::kill] {
        server.pause().unwrap();
        end(&mut server).unwrap();
        server.restart().unwrap();
        assert!(is_pong(&mut connect(&server.url())));
    }
    let pid = server.pid();
    server.pause().unwrap();
    drop(server);
    assert!(!is_process(pid));
}

#[test]
fn a_promoted_replica_takes_over_and_the_old_primary_follows_it() {
    let Some(builder) = redis::own() else {
        return;
    };
    let RedisPair {
        mut primary,
        replica,
    } = RedisPair::start(builder).unwrap();
    let mut client = primary.client().unwrap();
    client.call(&["SET", "key", "1"]).unwrap();
    let copies = client.call(&["WAIT", "1", "10000"]).unwrap();
    assert_eq!(copies, Reply::Integer(1));
    primary.kill().unwrap();
    replica.promote().unwrap();
    assert_eq!(replica.call(&["GET", "key"]).unwrap().text(), Some("1"));
    replica.call(&["SET", "key", "2"]).unwrap();
    primary.restart().unwrap();
    primary.follow(replica.port()).unwrap();
    let turned = RedisPair {
        primary: replica,
        replica: primary,
    };
    turned.wait_until_linked().unwrap();
    let copy = turned.replica.call(&["GET", "key"]).unwrap();
    assert_eq!(copy.text(), Some("2"));
    let role = turned.replica.info("replication", "role").unwrap();
    assert_eq!(role.as_deref(), Some("slave"));
}

#[test]
fn a_node_that_was_killed_joins_its_cluster_again() {
    let Some(builder) = redis::own() else {
        return;
    };
    let mut cluster = RedisCluster::start(&builder).unwrap();
    let node = &mut cluster.nodes_mut()[1];
    node.kill().unwrap();
    node.restart().unwrap();
    cluster.wait_until_joined().unwrap();
}

#[test]
fn a_server_takes_the_port_and_the_folder_it_is_given() {
    let Some(builder) = redis::own() else {
        return;
    };
    let data = std::env::temp_dir().join(redis::queue_name());
    fs::create_dir(&data).unwrap();
    let port = forebay_xtask::port::steady().unwrap();
    let server = builder.append_only().data(&data).port(port).start();
    let server = server.unwrap();
    assert_eq!(server.port(), port);
    assert!(data.join("appendonlydir").exists());
    drop(server);
    assert!(data.join("appendonlydir").exists());
    fs::remove_dir_all(&data).unwrap();
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let Some(builder) = redis::own() else {
        return;
    };
    let start = |builder: RedisBuilder| format!("{:#}", builder.start().unwrap_err());
    let said = start(builder.clone().line("no-such-directive", "1"));
    assert!(said.contains("no-such-directive"), "{said}");
    // Somebody else's port: the answer of another server is not taken for its own.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let said = start(builder.port(taken.local_addr().unwrap().port()));
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn neither_a_builder_nor_a_server_shows_its_passwords() {
    let Some(builder) = redis::own() else {
        return;
    };
    let builder = builder.accounts().line("masterauth", "canary");
    assert!(!format!("{builder:?}").contains("canary"));
    let server = builder.start().unwrap();
    let url = server.url();
    let (_, password) = url.split_once("forebay:").unwrap();
    let (password, _) = password.split_once('@').unwrap();
    assert!(!format!("{server:?}").contains(password));
    assert!(!server.log().contains(password));
}
