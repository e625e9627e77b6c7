//! A TCP proxy on loopback that can fall silent, lose the answers or go away.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// Bytes wait, in both directions.
    Paused,
    /// All passes until a request contains `COMMIT`; that one passes too, and its answer waits.
    UntilCommit,
    /// Requests pass, answers wait.
    Muted,
}

/// What connections go by. One that is older than `since` is dead: it stays open, and nothing passes any more.
#[derive(Clone, Copy)]
struct State {
    mode: Mode,
    since: u64,
}

pub(crate) struct Proxy {
    server: String,
    address: SocketAddr,
    state: watch::Sender<State>,
    accept: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = Self {
            server,
            address: listener.local_addr().unwrap(),
            state: watch::Sender::new(State {
                mode: Mode::Open,
                since: 0,
            }),
            accept: None,
        };
        proxy.listen(listener);
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn pause(&self) {
        self.set(Mode::Paused);
    }

    pub(crate) fn mute_at_commit(&self) {
        self.set(Mode::UntilCommit);
    }

    pub(crate) fn resume(&self) {
        self.set(Mode::Open);
    }

    /// Lets every connection that exists die without a word; new ones work.
    pub(crate) fn abandon(&self) {
        self.state.send_modify(|state| state.since += 1);
    }

    fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// Closes every connection and the port: the next connection is refused.
    pub(crate) async fn stop(&mut self) {
        if let Some(accept) = self.accept.take() {
            accept.abort();
            let _ = accept.await;
        }
    }

    pub(crate) async fn restart(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.listen(listener);
    }

    fn listen(&mut self, listener: TcpListener) {
        let server = self.server.clone();
        let state = self.state.clone();
        self.accept = Some(tokio::spawn(async move {
            // Dropped with this task, which ends the connections.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, server.clone(), state.clone()));
            }
        }));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(accept) = &self.accept {
            accept.abort();
        }
    }
}

async fn carry(client: TcpStream, server: String, state: watch::Sender<State>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    tokio::select! {
        () = pass(client_read, server_write, &state, true) => {}
        () = pass(server_read, client_write, &state, false) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &watch::Sender<State>,
    requests: bool,
) {
    let mut changes = state.subscribe();
    let born = changes.borrow().since;
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let bytes = &buffer[..read];
        let open = |state: &State| match state.mode {
            _ if state.since != born => false,
            Mode::Open | Mode::UntilCommit => true,
            Mode::Muted => requests,
            Mode::Paused => false,
        };
        if changes.wait_for(open).await.is_err() {
            return;
        }
        if requests && bytes.windows(6).any(|part| part == b"COMMIT") {
            // Before the bytes are passed on, so that the answer cannot be faster.
            state.send_if_modified(|state| {
                let lost = state.mode == Mode::UntilCommit;
                if lost {
                    state.mode = Mode::Muted;
                }
                lost
            });
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
