//! The proxy between a client and an echo server, over real sockets on loopback.

mod crowd;
mod cuts;
mod echo;
mod end;
mod outage;
mod stream;
mod timing;

use std::io::{self, ErrorKind};
use std::time::Duration;

use forebay_fault_proxy::FaultProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::echo::Echo;

/// What takes longer than this on a busy machine will never come.
const LIMIT: Duration = Duration::from_secs(30);
/// How long silence is listened to.
const SILENCE: Duration = Duration::from_millis(200);

async fn proxy_to(upstream: &Echo) -> FaultProxy {
    seeded_proxy_to(upstream, 0).await
}

async fn seeded_proxy_to(upstream: &Echo, seed: u64) -> FaultProxy {
    let proxy = FaultProxy::start_with_seed(upstream.address(), seed).await;
    proxy.expect("a port is free")
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    let connected = soon(TcpStream::connect(proxy.address())).await;
    connected.expect("the proxy listens")
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("it comes in time")
}

/// Sends the bytes and reads as many.
async fn round_trip(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; bytes.len()];
    soon(async {
        stream.write_all(bytes).await?;
        stream.read_exact(&mut answer).await
    })
    .await?;
    Ok(answer)
}

async fn assert_works(stream: &mut TcpStream) {
    let answer = round_trip(stream, b"hello").await;
    assert_eq!(answer.expect("it is open"), b"hello");
}

/// Neither bytes nor an end.
async fn assert_silent(stream: &mut TcpStream) {
    let heard = timeout(SILENCE, stream.read(&mut [0])).await;
    assert!(heard.is_err(), "silence was expected: {heard:?}");
}

/// Reads up to the reset, and returns what was read before.
async fn read_to_reset(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = soon(stream.read_to_end(&mut bytes)).await;
    let kind = end.map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::ConnectionReset));
    bytes
}
