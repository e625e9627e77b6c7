//! Servers that go away, come back, or never answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_queue_core::{Certainty, Environment, Kind, NewMessage, Queue, QueueConfig};
use futures_util::future::join_all;
use redis::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::*;
use crate::failure::Advice;
use crate::handle::{Handle, Made};
use crate::home::Shared;
use crate::receipt::{Consumer, StreamId};
use crate::registry::Registry;
use crate::session::{RedisQueue, release};

/// More than one call may take: the time to connect, the time to answer, and a busy machine.
const MOST: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_killed_server_hangs_nobody_and_is_found_again() {
    let Some(builder) = builder() else { return };
    let mut server = builder.append_only().start().unwrap();
    let servers = servers(&server.url());
    let way = Way::to(&servers, "q");
    assert_eq!(way.count().await.unwrap(), Value::Int(1));
    for round in 0..3 {
        server.kill().unwrap();
        // The first to notice may not know; whoever comes later is certain.
        let many = join_all((0..50).map(|_| timeout(MOST, way.count())));
        for answer in many.await {
            answer.expect("nobody hangs").unwrap_err();
        }
        let start = Instant::now();
        let failure = timeout(MOST, way.count()).await.unwrap().unwrap_err();
        assert_eq!(failure.certainty(), Certainty::NotDone, "{failure}");
        assert_eq!(failure.advice(), Advice::Reconnect);
        assert!(start.elapsed() < Duration::from_secs(3));
        server.restart().unwrap();
        let found = until_ok(async || way.look().await).await;
        // What failed as certainly not done was not, the kill was between calls.
        assert_eq!(found, Value::BulkString(b"1".to_vec()), "round {round}");
    }
}

#[tokio::test]
async fn a_call_waits_for_a_server_that_comes_back_in_time() {
    let Some(builder) = builder() else { return };
    let mut server = builder.start().unwrap();
    let port = server.port();
    server.kill().unwrap();
    let options = options(&format!("redis://127.0.0.1:{port}"));
    let servers = Servers::new(options.with_connect_timeout(PATIENCE)).unwrap();
    let way = Way::to(&servers, "q");
    let restarted = tokio::task::spawn_blocking(move || {
        server.restart().unwrap();
        server
    });
    let (answer, restarted) = tokio::join!(way.count(), restarted);
    let _server = restarted.unwrap();
    assert_eq!(answer.unwrap(), Value::Int(1));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_it_unknown() {
    let Some(builder) = builder() else { return };
    let mut server = builder.start().unwrap();
    let options = options(&server.url()).with_response_timeout(Duration::from_millis(300));
    let servers = Servers::new(options).unwrap();
    let way = Way::to(&servers, "q");
    way.count().await.unwrap();
    server.pause().unwrap();
    let failure = timeout(MOST, way.count()).await.unwrap().unwrap_err();
    assert_eq!(failure.certainty(), Certainty::Unknown, "{failure}");
    assert_eq!(failure.advice(), Advice::Reconnect);
    // The next one wants a connection of its own, and gets none.
    let failure = timeout(MOST, way.count()).await.unwrap().unwrap_err();
    assert_eq!(failure.certainty(), Certainty::NotDone, "{failure}");
    server.resume().unwrap();
    // It may have happened, and did: the paused server had the request.
    let count = until_ok(async || way.look().await).await;
    assert_eq!(count, Value::BulkString(b"2".to_vec()));
}

#[tokio::test]
async fn a_connection_lost_with_a_call_under_way_leaves_it_unknown() {
    let Some(builder) = builder() else { return };
    let mut server = builder.start().unwrap();
    let servers = servers(&server.url());
    let way = Way::to(&servers, "q");
    way.count().await.unwrap();
    server.pause().unwrap();
    let (failure, ()) = tokio::join!(way.count(), async {
        // The call is polled first, so its request is on its way.
        tokio::task::yield_now().await;
        server.kill().unwrap();
    });
    assert_eq!(failure.unwrap_err().certainty(), Certainty::Unknown);
}

#[tokio::test]
async fn a_listener_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hole = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    for url in [
        format!("redis://127.0.0.1:{port}"),
        format!("rediss://127.0.0.1:{port}"),
        format!("redis://127.0.0.1:{port},redis://127.0.0.1:{port}"),
    ] {
        let options = options(&url).with_connect_timeout(Duration::from_millis(300));
        // Without authorities on the machine there is no TLS to try.
        let Ok(servers) = Servers::new(options) else {
            continue;
        };
        let way = Way::to(&servers, "q");
        let failure = timeout(MOST, way.count()).await.unwrap().unwrap_err();
        assert_eq!(failure.certainty(), Certainty::NotDone, "{failure}");
        let dedicated = timeout(MOST, way.link.dedicated()).await.unwrap();
        let failure = dedicated.err().unwrap();
        assert_eq!(failure.certainty(), Certainty::NotDone, "{failure}");
    }
    hole.abort();
}

/// Greets whoever comes and answers nothing else. Tells how many came.
async fn deaf() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    let counter = came.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            stream.write_all(b"+PONG\r\n").await.unwrap();
            held.push(stream);
        }
    });
    (port, came)
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_back_is_not_used_again() {
    let (port, came) = deaf().await;
    let options = options(&format!("redis://127.0.0.1:{port}"));
    let options = options.with_response_timeout(Duration::from_millis(100));
    let servers = Servers::new(options).unwrap();
    let way = Way::to(&servers, "q");
    for round in 1..4 {
        let failure = timeout(MOST, way.count()).await.unwrap().unwrap_err();
        assert_eq!(failure.certainty(), Certainty::Unknown, "{failure}");
        assert_eq!(came.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn after_closing_nothing_is_done_and_nobody_waits() {
    let Some(builder) = builder() else { return };
    let server = builder.start().unwrap();
    let servers = servers(&server.url());
    let way = Way::to(&servers, "q");
    way.count().await.unwrap();
    servers.close();
    let failure = way.count().await.unwrap_err();
    assert_eq!(failure.certainty(), Certainty::NotDone);
    assert_eq!(failure.text(), "the backend was closed");
    until_ok(async || match sharing::clients(&server) {
        0 => Ok(()),
        many => Err(many),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broken_read_held_is_put_back_when_the_server_is_back() {
    let Some(builder) = builder() else { return };
    let mut server = builder.append_only().start().unwrap();
    let options = options(&server.url()).with_connect_timeout(Duration::from_millis(50));
    let servers = Servers::new(options).unwrap();
    let name = queue("q");
    let handle = Handle {
        keys: Keys::new("forebay", &name),
        link: servers.link(&name),
        registry: Registry::new(servers.clone()),
        environment: Environment::system(),
        name,
    };
    let made = Made::new(&QueueConfig::default(), &handle.environment);
    handle.make(&made).await.unwrap();
    let session = RedisQueue::new(Shared::new(handle, made));
    let message = NewMessage::new(Kind::from_static("job"), "");
    session
        .publish(vec![message], Duration::ZERO)
        .await
        .unwrap();
    let dead = Consumer(1);
    let name = dead.to_string();
    let read = [
        "XREADGROUP",
        "GROUP",
        "forebay",
        &name,
        "STREAMS",
        "forebay:{q}:stream",
        ">",
    ];
    server.call(&read).unwrap();
    server.kill().unwrap();
    let releasing = tokio::spawn(release(session.home().clone(), dead, StreamId::ZERO));
    // It fails a few times: the server is away for longer than a call waits for it.
    let away = Instant::now() + Duration::from_millis(800);
    until_ok(async || (Instant::now() > away).then_some(()).ok_or("away")).await;
    server.restart().unwrap();
    releasing.await.unwrap();
    let received = session.receive(1, Duration::ZERO).await.unwrap();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].attempt, 1);
}
