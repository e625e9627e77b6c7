//! The door: slow, large and many connections do not keep others out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use forebay_tests::wait;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::client::Connection;
use crate::support::database::TestDatabase;
use crate::support::load::quantile;
use crate::support::request::{SMS, numbered};
use crate::support::server::{Server, Setup};
use crate::support::turn;

const SLOW_SOCKETS: usize = 200;
/// The longest that an unfinished head is waited for.
const HEAD_LIMIT: Duration = Duration::from_secs(15);

async fn start(database: &TestDatabase) -> Server {
    let setup = Setup::new().env("DATABASE_URL", database.url());
    setup.start_ready().await
}

/// Sends a header without end, a byte at a time; answers how long it was listened to.
async fn slowloris(address: SocketAddr) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let start = Instant::now();
    let head = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ";
    stream.write_all(head).await.unwrap();
    let (mut from, mut to) = stream.split();
    let mut answer = Vec::new();
    let read = from.read_to_end(&mut answer);
    let dribble = async {
        loop {
            // tidy: sleep — the slowness is the test.
            tokio::time::sleep(Duration::from_millis(500)).await;
            if to.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let closed = async {
        tokio::select! {
            _ = read => {}
            () = dribble => {}
        }
    };
    let closed = tokio::time::timeout(HEAD_LIMIT + Duration::from_secs(5), closed).await;
    assert!(closed.is_ok(), "never closed");
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_are_closed_and_others_do_not_notice() {
    let _turn = turn::alone().await;
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let address = server.client.address;
    let mut slow = JoinSet::new();
    for _ in 0..SLOW_SOCKETS {
        slow.spawn(slowloris(address));
    }
    let slow = tokio::spawn(slow.join_all());
    let mut connection = Connection::open(address).await.unwrap();
    let mut times = Vec::new();
    while !slow.is_finished() {
        let start = Instant::now();
        let answer = connection.post(SMS, &numbered(times.len())).await.unwrap();
        times.push(start.elapsed());
        assert_eq!(answer.status, 202);
        // tidy: sleep — the pace of the others' posts.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let slowest = slow.await.unwrap().into_iter().max().unwrap();
    let p99 = quantile(times.iter().copied(), 0.99);
    println!(
        "{SLOW_SOCKETS} closed within {slowest:?}, p99 of {} posts {p99:?}",
        times.len()
    );
    assert!(slowest <= HEAD_LIMIT, "{slowest:?}");
    assert!(
        times.len() >= 100 && p99 < Duration::from_millis(200),
        "{p99:?}"
    );
}

fn descriptors(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.pid());
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Whether the server has answered or closed, though nothing was asked yet.
async fn is_refused(stream: &mut TcpStream) -> bool {
    let mut some = [0; 64];
    let read = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut some));
    let Ok(read) = read.await else { return false };
    let answer = String::from_utf8_lossy(&some[..read.unwrap_or(0)]);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 503"),
        "{answer}"
    );
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_refused_and_descriptors_return() {
    // More than the server takes, and than most systems let it open.
    const MANY: usize = 1_500;
    let _turn = turn::alone().await;
    // For this process, and for the server that inherits it.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(8_192), most).unwrap();
    let database = TestDatabase::sqlite();
    let server = start(&database).await;
    let address = server.client.address;
    let before = descriptors(&server);
    let mut streams = Vec::new();
    for _ in 0..MANY {
        match tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => streams.push(stream),
            _ => break,
        }
    }
    let opened = streams.len();
    let mut refused = 0;
    for stream in &mut streams {
        refused += usize::from(is_refused(stream).await);
    }
    println!("{opened} connected, {refused} of them refused");
    assert!(opened == MANY, "this side cannot open so many");
    assert!((1..MANY / 2).contains(&refused), "{refused}");
    // Who was there before is still served.
    assert_eq!(server.client.get("/healthz").await.status, 200);
    drop(streams);
    wait::until(
        "others are served again",
        Duration::from_secs(10),
        async || {
            let answer = server.client.get("/healthz");
            answer.await.status == 200
        },
    )
    .await;
    if before > 0 {
        let returned = async || descriptors(&server) <= before + 8;
        wait::until("the descriptors return", Duration::from_secs(10), returned).await;
    }
}
