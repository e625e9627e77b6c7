//! Bytes on a socket that are no proper HTTP, come too slowly, or do not come to an end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::CANARY;
use crate::support::request::sms;

/// The longest that the server may keep such a connection.
const LIMIT: Duration = Duration::from_secs(40);

/// What happens after the bytes.
#[derive(Clone, Copy)]
enum Then {
    /// The sender waits for the answer.
    Wait,
    /// The sender says that nothing else comes.
    Finish,
    /// One byte a second follows.
    Dribble,
    /// The sender is gone without reading.
    Vanish,
}

/// Bytes, what follows them, and the statuses that may be answered; to close without an answer is fine too, unless
/// `answered`.
pub(super) struct RawCase {
    name: &'static str,
    bytes: Vec<u8>,
    then: Then,
    statuses: &'static [u16],
    answered: bool,
}

impl RawCase {
    pub(super) async fn run(self, address: SocketAddr) {
        let Self {
            name,
            bytes,
            then,
            statuses,
            answered,
        } = self;
        let start = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may refuse and close before it has read all.
        let _ = stream.write_all(&bytes).await;
        match then {
            Then::Vanish => return,
            Then::Finish => stream.shutdown().await.unwrap(),
            Then::Wait | Then::Dribble => {}
        }
        let mut answer = Vec::new();
        let (mut from, mut to) = stream.split();
        let read = from.read_to_end(&mut answer);
        let end = tokio::time::timeout(LIMIT, async {
            tokio::select! {
                // A reset is a way to close.
                _ = read => {}
                () = dribble(&mut to, matches!(then, Then::Dribble)) => {}
            }
        });
        assert!(end.await.is_ok(), "{name}: still open after {LIMIT:?}");
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.to_lowercase().contains(CANARY), "{name}: {text}");
        if answer.is_empty() {
            assert!(
                !answered,
                "{name}: closed without an answer after {:?}",
                start.elapsed()
            );
            return;
        }
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(statuses.contains(&status), "{name}: {text}");
        // What the HTTP parser refuses by itself has no body.
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let is_problem = head
            .to_lowercase()
            .contains("content-type: application/problem+json");
        assert!(is_problem || body.is_empty(), "{name}: {text}");
    }
}

/// Never ends: the reader does.
async fn dribble(stream: &mut (impl AsyncWriteExt + Unpin), really: bool) {
    loop {
        // tidy: sleep — the slowness is the test.
        tokio::time::sleep(Duration::from_secs(1)).await;
        if really && stream.write_all(b"x").await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A post with these headers and this body.
fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/messages/sms HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What a server may answer to a head that it does not understand.
const HEAD: &[u16] = &[400, 404, 405, 414, 417, 431, 501, 505];
/// What it may answer to a body that it cannot read, or that does not come.
const BODY: &[u16] = &[400, 408, 413, 422, 501];

const HEADS: &[(&str, &[u8])] = &[
    ("garbage", b"\x00\x01\x02c4nary\xff\xfe\r\n\r\n"),
    (
        "TLS",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03c4naryc4nary\r\n\r\n",
    ),
    ("SSH", b"SSH-2.0-c4nary\r\n\r\n"),
    ("SMTP", b"EHLO c4nary.example\r\n\r\n"),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("HTTP/0.9", b"GET /c4nary\r\n\r\n"),
    ("HTTP/3.0", b"GET /c4nary HTTP/3.0\r\nhost: x\r\n\r\n"),
    ("no method", b" /c4nary HTTP/1.1\r\n\r\n"),
    ("a method alone", b"GET\r\n\r\n"),
    (
        "a space in the path",
        b"GET /c4nary c4nary HTTP/1.1\r\n\r\n",
    ),
    ("a NUL in the path", b"GET /c4nary\0 HTTP/1.1\r\n\r\n"),
    (
        "a raw byte in the path",
        b"GET /c4nary\x80 HTTP/1.1\r\nconnection: close\r\n\r\n",
    ),
    ("a colon alone", b"GET /c4nary HTTP/1.1\r\n: c4nary\r\n\r\n"),
    ("no colon", b"GET /c4nary HTTP/1.1\r\nc4nary\r\n\r\n"),
    (
        "a space in a header's name",
        b"GET /c4nary HTTP/1.1\r\nc4nary x: 1\r\n\r\n",
    ),
    (
        "a NUL in a header",
        b"GET /c4nary HTTP/1.1\r\nx: c4nary\0\r\n\r\n",
    ),
    (
        "a folded header",
        b"GET /c4nary HTTP/1.1\r\nx: a\r\n c4nary\r\n\r\n",
    ),
    (
        "another host's path",
        b"GET http://c4nary.example/c4nary HTTP/1.1\r\nconnection: close\r\n\r\n",
    ),
    (
        "a tunnel",
        b"CONNECT c4nary.example:443 HTTP/1.1\r\nconnection: close\r\n\r\n",
    ),
];

/// Heads that stop, and whose sender says that nothing else comes.
const HALF_HEADS: &[(&str, &[u8])] = &[
    ("nothing", b""),
    ("half a request line", b"GET /c4na"),
    ("half a header", b"GET /c4nary HTTP/1.1\r\nx: c4na"),
    (
        "no end of the headers",
        b"GET /c4nary HTTP/1.1\r\nhost: x\r\n",
    ),
];

/// Headers of a post that say something wrong about its body.
const LENGTHS: &[(&str, &str)] = &[
    ("a negative length", "content-length: -1\r\n"),
    ("a length that is no number", "content-length: c4nary\r\n"),
    (
        "a length beyond all",
        "content-length: 99999999999999999999\r\n",
    ),
    ("a large length", "content-length: 1099511627776\r\n"),
    ("two lengths", "content-length: 7\r\ncontent-length: 5\r\n"),
    ("a length with a sign", "content-length: +12\r\n"),
    ("an unknown coding", "transfer-encoding: c4nary\r\n"),
];

const CHUNKS: &[(&str, &[u8])] = &[
    ("a chunk without a size", b"c4nary\r\n"),
    ("a chunk beyond all", b"fffffffffffffffff\r\nc4nary"),
    ("a chunk that stops", b"9\r\n{\"body\""),
    ("chunks that stop", b"7\r\n{\"body\"\r\n"),
    (
        "a chunk that is too long",
        b"2\r\n{\"body\": \"c4nary\"}\r\n0\r\n\r\n",
    ),
];

pub(super) fn cases() -> Vec<RawCase> {
    let mut cases = heads();
    cases.extend(long_heads());
    cases.extend(bodies());
    cases.extend(uploads());
    cases
}

fn heads() -> Vec<RawCase> {
    let case = |name, bytes: &[u8], then| RawCase {
        name,
        bytes: bytes.to_vec(),
        then,
        statuses: HEAD,
        answered: false,
    };
    let whole = HEADS
        .iter()
        .map(|(name, bytes)| case(name, bytes, Then::Wait));
    let half = HALF_HEADS
        .iter()
        .map(|(name, bytes)| case(name, bytes, Then::Finish));
    let endless = b"GET /c4nary HTTP/1.1\r\nhost: localhost\r\nx: ";
    let slow = [
        case("a head that stops", endless, Then::Wait),
        case("a head that dribbles", endless, Then::Dribble),
        case("no head at all", b"", Then::Wait),
    ];
    whole.chain(half).chain(slow).collect()
}

fn long_heads() -> Vec<RawCase> {
    let long = "c4nary-".repeat(20_000);
    let many = "x-c4nary: 1\r\n".repeat(500);
    let heads = [
        (
            "a long header",
            format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"),
        ),
        (
            "a long header's name",
            format!("GET / HTTP/1.1\r\n{long}: 1\r\n\r\n"),
        ),
        ("many headers", format!("GET / HTTP/1.1\r\n{many}\r\n")),
        (
            "a long path",
            format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        ),
        (
            "a long method",
            format!("{long} / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ),
    ];
    let case = |(name, head): (_, String)| RawCase {
        name,
        bytes: head.into_bytes(),
        then: Then::Wait,
        statuses: HEAD,
        answered: false,
    };
    heads.into_iter().map(case).collect()
}

fn bodies() -> Vec<RawCase> {
    let case = |name, headers: &str, body: &[u8]| RawCase {
        name,
        bytes: post(headers, body),
        then: Then::Wait,
        statuses: BODY,
        answered: true,
    };
    let valid = sms().to_string();
    let lengths = LENGTHS
        .iter()
        .map(|(name, headers)| case(name, headers, valid.as_bytes()));
    let chunked = "transfer-encoding: chunked\r\n";
    let chunks = CHUNKS
        .iter()
        .map(|(name, chunks)| case(name, chunked, chunks));
    let extension = format!("5;{}\r\n", "c4nary".repeat(20_000));
    let endless = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(16);
    let large = [
        case(
            "a chunk with a long extension",
            chunked,
            extension.as_bytes(),
        ),
        case("chunks without an end", chunked, endless.as_bytes()),
    ];
    lengths.chain(chunks).chain(large).collect()
}

fn uploads() -> Vec<RawCase> {
    let valid = sms().to_string();
    let half = &valid.as_bytes()[..valid.len() / 2];
    let whole = format!("content-length: {}\r\n", valid.len());
    let case = |name, body, then, answered| RawCase {
        name,
        bytes: post(&whole, body),
        then,
        statuses: BODY,
        answered,
    };
    vec![
        case("an upload that ends early", half, Then::Finish, false),
        case("an upload whose sender is gone", half, Then::Vanish, false),
        case("an upload without a body", b"", Then::Vanish, false),
        case("an upload that stops", half, Then::Wait, true),
        // So large that the answer may come, and the connection end, while it is being sent.
        RawCase {
            bytes: post(
                "content-length: 16777216\r\n",
                &vec![b' '; 16 * 1024 * 1024],
            ),
            ..case("a very large upload", half, Then::Wait, false)
        },
        RawCase {
            bytes: post("content-length: 4000\r\n", half),
            ..case("an upload that dribbles", half, Then::Dribble, true)
        },
    ]
}
