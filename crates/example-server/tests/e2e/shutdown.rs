//! SIGTERM under load: out in time, nothing lost that was not said to be lost.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_tests::wait;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::client::Connection;
use crate::support::database::TestDatabase;
use crate::support::load::post_once;
use crate::support::request::{SMS, numbered};
use crate::support::server::{Server, Setup};
use crate::support::turn;

const LIMIT: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(1);
const CONNECTIONS: usize = 8;
/// Set to run twenty rounds instead of five.
const LONG: &str = "FOREBAY_E2E_LONG";

/// What a round of load knows at its end.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) accepted: HashSet<String>,
    /// Posts that were sent and not answered: accepted or not.
    pub(crate) unknown: usize,
}

/// Posts over several connections until each of them is refused or closed.
pub(crate) async fn post_until_refused(address: SocketAddr, progress: Arc<AtomicUsize>) -> Sent {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, progress) = (next.clone(), progress.clone());
        tasks.spawn(async move {
            let mut sent = Sent::default();
            let mut connection = Connection::open(address).await.unwrap();
            while connection.is_open().await {
                let body = numbered(next.fetch_add(1, Ordering::Relaxed));
                match connection.post(SMS, &body).await {
                    Ok(answer) if answer.status == 202 => {
                        sent.accepted.insert(answer.id());
                        progress.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(answer) => {
                        answer.problem(503);
                        break;
                    }
                    Err(_) => {
                        sent.unknown += 1;
                        break;
                    }
                }
            }
            sent
        });
    }
    let mut all = Sent::default();
    for sent in tasks.join_all().await {
        all.accepted.extend(sent.accepted);
        all.unknown += sent.unknown;
    }
    all
}

fn setup(database: &TestDatabase, limit: Duration) -> Setup {
    Setup::new()
        .env("DATABASE_URL", database.url())
        .env("SHUTDOWN_TIMEOUT", format!("{}s", limit.as_secs()))
}

/// How many messages the server says it abandoned.
fn abandoned(server: &Server) -> usize {
    let number = server.output.warned("abandoned").unwrap_or(0);
    usize::try_from(number).unwrap()
}

async fn round(database: &TestDatabase, round: usize) {
    let mut server = setup(database, LIMIT).start_ready().await;
    let before = database.messages().await;
    let progress = Arc::new(AtomicUsize::new(0));
    let load = tokio::spawn(post_until_refused(server.client.address, progress.clone()));
    // The signal comes at another point of the load each time.
    let enough = 50 + 37 * round;
    wait::until(
        "the load is on its way",
        Duration::from_secs(20),
        async || progress.load(Ordering::Relaxed) >= enough,
    )
    .await;
    let took = server.stop(LIMIT + GRACE).await;
    let sent = load.await.unwrap();
    let (accepted, rows) = (sent.accepted.len(), database.messages().await - before);
    let abandoned = abandoned(&server);
    println!(
        "round {round}: out after {took:?}, {accepted} accepted, {rows} rows, {abandoned} abandoned"
    );
    assert!(accepted >= enough);
    let explained = rows + abandoned;
    assert!(
        accepted <= explained,
        "{accepted} accepted, {explained} found"
    );
    assert!(explained <= accepted + sent.unknown, "{explained} found");
    database.is_sound().await;
    database.execute("DELETE FROM messages").await;
    database.execute("DELETE FROM conversations").await;
}

async fn rounds(database: TestDatabase) {
    let rounds = if std::env::var_os(LONG).is_some() {
        20
    } else {
        5
    };
    for number in 0..rounds {
        round(&database, number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing_on_sqlite() {
    let _turn = turn::alone().await;
    rounds(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing_on_postgres() {
    let _turn = turn::alone().await;
    if let Some(database) = TestDatabase::postgres().await {
        rounds(database).await;
    }
}

/// Everything that was accepted is in the queue when the signal comes, and the database does not take it.
async fn abandons(mut database: TestDatabase) {
    const POSTS: usize = 200;
    let limit = Duration::from_secs(2);
    let mut server = setup(&database, limit).start_ready().await;
    let outage = database.fail().await;
    let posts = post_once(server.client.address, 0..POSTS, CONNECTIONS).await;
    assert!(posts.iter().all(|post| post.status == 202));
    let took = server.stop(limit + GRACE).await;
    outage.end().await;
    let abandoned = abandoned(&server);
    // A server may still write what was under way when its client is gone: counted as abandoned, and there all the same.
    let rows = database.messages().await;
    println!("out after {took:?}, {rows} rows, {abandoned} abandoned");
    assert!(abandoned > 0, "the fault never fired");
    assert!(rows + abandoned >= POSTS, "lost without a word");
    assert!(abandoned <= POSTS && rows <= POSTS);
    if let TestDatabase::Sqlite(_) = database {
        assert_eq!(
            rows + abandoned,
            POSTS,
            "SQLite writes nothing for a process that is gone"
        );
    }
    database.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_memory_queue_abandons_is_counted_on_sqlite() {
    let _turn = turn::alone().await;
    abandons(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_memory_queue_abandons_is_counted_on_postgres() {
    let _turn = turn::alone().await;
    if let Some(database) = TestDatabase::cluster().await {
        abandons(database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_does_not_hold_the_shutdown_up() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let limit = Duration::from_secs(2);
    let mut server = setup(&database, limit).start_ready().await;
    let mut upload = TcpStream::connect(server.client.address).await.unwrap();
    let head =
        b"POST /api/messages/sms HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 content-length: 100\r\n\r\n{";
    upload.write_all(head).await.unwrap();
    // Answered after the upload has arrived: the server knows of it.
    assert_eq!(server.client.get("/healthz").await.status, 200);
    server.stop(limit + GRACE).await;
    assert_eq!(database.messages().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_stops_at_once() {
    let _turn = turn::together().await;
    let database = TestDatabase::sqlite();
    let mut server = setup(&database, Duration::from_secs(30))
        .start_ready()
        .await;
    // An open connection without a request does not hold it up either.
    let _idle = Connection::open(server.client.address).await.unwrap();
    let took = server.stop(Duration::from_secs(31)).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(Connection::open(server.client.address).await.is_err());
}
