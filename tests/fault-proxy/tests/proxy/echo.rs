use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use forebay_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::LIMIT;

/// A server that sends back what it gets, and counts. A client's end is answered with an end.
pub(crate) struct Echo {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    received: AtomicU64,
    ended: AtomicU64,
    reset: AtomicU64,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let counts = Arc::<Counts>::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&counts)));
        Self {
            address,
            counts,
            task,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.counts.accepted.load(Relaxed)
    }

    /// Bytes so far.
    pub(crate) fn received(&self) -> u64 {
        self.counts.received.load(Relaxed)
    }

    /// Connections whose client has ended orderly.
    pub(crate) fn ended(&self) -> u64 {
        self.counts.ended.load(Relaxed)
    }

    /// Connections that were reset.
    pub(crate) fn reset(&self) -> u64 {
        self.counts.reset.load(Relaxed)
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        wait::until(what, LIMIT, async || condition(self)).await;
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, counts: Arc<Counts>) {
    let mut clients = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("descriptors are left");
        counts.accepted.fetch_add(1, Relaxed);
        clients.spawn(echo(client, Arc::clone(&counts)));
    }
}

async fn echo(mut client: TcpStream, counts: Arc<Counts>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match client.read(&mut buffer).await {
            Ok(0) => break,
            Ok(length) => {
                counts.received.fetch_add(length as u64, Relaxed);
                if client.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                counts.reset.fetch_add(1, Relaxed);
                return;
            }
        }
    }
    counts.ended.fetch_add(1, Relaxed);
}
