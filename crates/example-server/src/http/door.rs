//! The listener: accepts connections within limits, and closes in an orderly way.
//!
//! `axum::serve` sets no timer, so a client that never finishes its headers would hold a connection for ever.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

/// What one connection, and all of them, may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorLimits {
    /// Connections at once, at most. Further ones are answered 503 and closed.
    pub connections: usize,
    /// How long a client may take for the head of a request. Counts from the end of the last answer, so it is how long
    /// a connection may be idle, too.
    pub head_timeout: Duration,
    /// How long a client may leave an answer lying.
    pub write_timeout: Duration,
    /// Headers of a request, at most.
    pub headers: usize,
    /// Bytes of a request's head, at most.
    pub head_bytes: usize,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            head_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            headers: 64,
            head_bytes: 16 * 1024,
        }
    }
}

/// A bound address.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
    limits: DoorLimits,
}

/// How long accepting pauses when the process is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a client beyond the limit is sent, if it can be sent at once.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Length: 0\r\n\r\n";

impl Door {
    /// Binds the address; port 0 picks one.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn open(address: SocketAddr, limits: DoorLimits) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            limits,
        })
    }

    /// The address, with the port that was picked.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop; then stops accepting, lets requests finish for `grace`, and cuts off the rest.
    ///
    /// # Cancel safety
    /// Dropping the future stops accepting; connections go on by themselves.
    pub async fn serve(self, router: Router, stop: CancellationToken, grace: Duration) {
        let connections = Connections {
            permits: Arc::new(Semaphore::new(self.limits.connections)),
            graceful: GracefulShutdown::new(),
            cut: CancellationToken::new(),
            http: protocol(&self.limits),
            service: TowerToHyperService::new(router),
            write_timeout: self.limits.write_timeout,
        };
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => connections.admit(stream),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // From here on the operating system refuses.
        drop(self.listener);
        connections.close(grace).await;
    }
}

struct Connections {
    permits: Arc<Semaphore>,
    graceful: GracefulShutdown,
    cut: CancellationToken,
    http: http1::Builder,
    service: TowerToHyperService<Router>,
    write_timeout: Duration,
}

impl Connections {
    fn admit(&self, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            // It may have no room for this, and there is nobody to wait for it.
            let _ = stream.try_write(TOO_MANY);
            return;
        };
        self.serve(stream, permit);
    }

    fn serve(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Answers are small and written at once; without this the last part of one may wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.write_timeout));
        let io = TokioIo::new(Box::pin(stream));
        let connection = self.http.serve_connection(io, self.service.clone());
        let connection = self.graceful.watch(connection);
        let cut = self.cut.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            tokio::select! {
                ended = &mut connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = cut.cancelled() => {}
            }
            drop(permit);
        });
    }

    async fn close(self, grace: Duration) {
        let finished = self.graceful.shutdown();
        if tokio::time::timeout(grace, finished).await.is_err() {
            tracing::warn!("requests that did not finish in time are cut off");
        }
        self.cut.cancel();
    }
}

fn protocol(limits: &DoorLimits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes);
    http
}

/// Whether only this one connection is affected.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
