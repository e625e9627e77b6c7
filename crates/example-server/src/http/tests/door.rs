use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// A door with short limits.
struct Served {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Served {
    async fn new(connections: usize, grace: Duration, router: Router) -> Self {
        let limits = DoorLimits {
            connections,
            head_timeout: Duration::from_millis(300),
            write_timeout: Duration::from_millis(300),
            ..DoorLimits::default()
        };
        let door = Door::open(([127, 0, 0, 1], 0).into(), limits)
            .await
            .unwrap();
        let (address, stop) = (door.address(), CancellationToken::new());
        let serving = tokio::spawn(door.serve(router, stop.clone(), grace));
        Self {
            address,
            stop,
            serving,
        }
    }

    async fn connect(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Whether a connection of its own is served.
    async fn serves(&self) -> bool {
        let mut stream = self.connect(REQUEST).await;
        let mut start = [0; 12];
        let read = timeout(LIMIT, stream.read_exact(&mut start)).await.unwrap();
        read.is_ok() && &start == b"HTTP/1.1 200"
    }

    async fn until_it_serves(&self) {
        let poll = async {
            while !self.serves().await {
                // tidy: sleep — a step of polling with a limit
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LIMIT, poll).await.unwrap();
    }
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = timeout(LIMIT, stream.read_to_end(&mut bytes))
        .await
        .unwrap();
    bytes
}

fn quick() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// Says when a request has reached it, and answers when it is told to.
#[derive(Clone, Default)]
struct Held {
    reached: Arc<Notify>,
    answer: Arc<Notify>,
}

impl Held {
    fn router(&self) -> Router {
        let held = self.clone();
        let handler = move || async move {
            held.reached.notify_one();
            held.answer.notified().await;
            "hello"
        };
        Router::new().route("/", get(handler))
    }
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_and_the_place_comes_back() {
    let held = Held::default();
    let door = Served::new(1, LIMIT, held.router()).await;
    let mut first = door.connect(REQUEST).await;
    held.reached.notified().await;
    let mut second = door.connect(b"").await;
    let refused = rest(&mut second).await;
    assert!(refused.starts_with(b"HTTP/1.1 503 "), "{refused:?}");
    // The first one is not disturbed.
    held.answer.notify_one();
    let mut start = [0; 12];
    first.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    drop(first);
    // One for each request that is let in.
    let answering = async {
        loop {
            held.reached.notified().await;
            held.answer.notify_one();
        }
    };
    tokio::select! {
        () = door.until_it_serves() => {}
        () = answering => {}
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_closed_and_so_is_an_idle_connection() {
    let door = Served::new(9, LIMIT, quick()).await;
    for bytes in [
        &b""[..],
        b"GET / HTT",
        b"GET / HTTP/1.1\r\nhost: x\r\n",
        REQUEST,
    ] {
        let start = Instant::now();
        let mut stream = door.connect(bytes).await;
        rest(&mut stream).await;
        assert!(start.elapsed() >= Duration::from_millis(250), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let body = bytes::Bytes::from(vec![b'x'; 8 << 20]);
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/large", get(move || async move { body.clone() }));
    let door = Served::new(1, LIMIT, router).await;
    let request = b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20);
    let _unread = door.connect(&request).await;
    door.until_it_serves().await;
}

#[tokio::test]
async fn heads_over_the_limits_are_refused() {
    let door = Served::new(9, LIMIT, quick()).await;
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
    let large = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(17 * 1024));
    for head in [many, large] {
        let answer = rest(&mut door.connect(head.as_bytes()).await).await;
        assert!(answer.starts_with(b"HTTP/1.1 431 "), "{answer:?}");
    }
}

#[tokio::test]
async fn told_to_stop_it_lets_requests_finish() {
    let held = Held::default();
    let door = Served::new(9, LIMIT, held.router()).await;
    let mut running = door.connect(REQUEST).await;
    let mut idle = door.connect(b"").await;
    held.reached.notified().await;
    door.stop.cancel();
    assert!(rest(&mut idle).await.is_empty());
    held.answer.notify_one();
    let answer = rest(&mut running).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    timeout(LIMIT, door.serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(door.address).await.is_err());
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_off() {
    let held = Held::default();
    let door = Served::new(9, Duration::from_millis(100), held.router()).await;
    let mut running = door.connect(REQUEST).await;
    held.reached.notified().await;
    let start = Instant::now();
    door.stop.cancel();
    assert!(rest(&mut running).await.is_empty());
    timeout(LIMIT, door.serving).await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}
