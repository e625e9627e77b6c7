use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::connection::serve;
use crate::control::Control;
use crate::{Direction, Fault, FaultKind, PerDirection};

/// Before another try when the process has no descriptors left.
const BREATH: Duration = Duration::from_millis(10);

/// A TCP proxy on a free loopback port, with faults that are set while it runs.
///
/// All methods but [`start`](Self::start) return at once; connections follow as soon as the runtime polls them.
///
/// Counts only grow, but for [`connections`](Self::connections). A reset and a half-open connection are counted before
/// anybody can notice them; everything else a moment after it has happened, so look again, with a limit, before judging
/// an exact number.
///
/// Dropping it ends its tasks: the port is closed and so is every connection, as soon as the runtime has noticed.
pub struct FaultProxy {
    port: u16,
    control: Arc<Control>,
    acceptor: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 and forwards to `upstream`, without faults. The seed is zero.
    ///
    /// The upstream does not have to be there yet. It is looked for when a client has connected; that client is reset
    /// when nobody listens.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the upstream is not a loopback address; else what the system says to the listening socket.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and I/O.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing stays open.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        Self::start_with_seed(upstream, 0).await
    }

    /// As [`start`](Self::start), with all that is random from this seed.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing stays open.
    pub async fn start_with_seed(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        require_loopback(upstream)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let control = Arc::new(Control::new(upstream));
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&control), seed));
        Ok(Self {
            port,
            control,
            acceptor,
        })
    }

    /// The port on 127.0.0.1 that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Sets the fault in both directions, in place of one of the same kind. [`Fault::Reset`] and [`Fault::HalfOpen`]
    /// count anew.
    ///
    /// # Panics
    ///
    /// On slices of no bytes and on a bandwidth of no bytes, which is [`Fault::BlackHole`]; and on a time above a day.
    pub fn set(&self, fault: Fault) {
        self.control.set(&Direction::ALL, fault);
    }

    /// Sets the fault in one direction; the other one keeps what it has.
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set).
    pub fn set_toward(&self, direction: Direction, fault: Fault) {
        self.control.set(&[direction], fault);
    }

    /// Lifts the faults of one kind in both directions.
    pub fn lift(&self, kind: FaultKind) {
        self.control.lift(&[kind]);
    }

    /// Lifts all faults. What they held back goes on at once; half-open connections stay half-open.
    pub fn clear(&self) {
        self.control.lift(&FaultKind::ALL);
    }

    /// Resets (RST) every connection, half-open ones too, toward both ends. Returns how many; they are gone when
    /// [`connections`](Self::connections) says so. Later ones are not concerned.
    ///
    /// A client that the proxy has not accepted yet, though its own kernel tells it that it is connected, counts as
    /// a later one.
    pub fn reset_all(&self) -> usize {
        self.control.order(|orders| orders.resets += 1)
    }

    /// Leaves every connection half-open, see [`Fault::HalfOpen`]. Returns how many, with those that already are.
    /// Later ones are not concerned.
    pub fn half_open_all(&self) -> usize {
        self.control.order(|orders| orders.half_opens += 1)
    }

    /// Forwards later connections to another upstream; for a failover, with [`reset_all`](Self::reset_all) for the
    /// existing ones.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it is not a loopback address.
    pub fn set_upstream(&self, upstream: SocketAddr) -> io::Result<()> {
        require_loopback(upstream)?;
        self.control.set_upstream(upstream);
        Ok(())
    }

    /// How many clients' connections are open at the moment, half-open ones included.
    pub fn connections(&self) -> usize {
        self.control.open()
    }

    /// How many connections were accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.control.tally.accepted()
    }

    /// How many clients were reset since the start because nobody listened upstream.
    pub fn unreachable(&self) -> u64 {
        self.control.tally.unreachable()
    }

    /// How many bytes were handed on since the start, over all connections.
    pub fn forwarded(&self) -> PerDirection<u64> {
        self.control.tally.forwarded()
    }

    /// How often a fault of this kind took effect since the start, both directions together: a plan whose fault never
    /// fired proves nothing. What is counted is said at each [`FaultKind`].
    pub fn fired(&self, kind: FaultKind) -> u64 {
        self.control.tally.fired(kind)
    }
}

/// Without addresses.
impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // The connections' tasks are in its set and end with it.
        self.acceptor.abort();
    }
}

fn require_loopback(address: SocketAddr) -> io::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let what = "the upstream is not a loopback address";
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

async fn accept(listener: TcpListener, control: Arc<Control>, seed: u64) {
    let mut dice = Rng::with_seed(seed);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(ended) = connections.join_next() => {
                // A proxy that is wrong must not pass for a fault: all its connections end here.
                if let Err(error) = ended {
                    resume_unwind(error.into_panic());
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(serve(control.seat(), client, dice.fork()));
                }
                // tidy: sleep — no descriptors are left, and there is no event for when there are.
                Err(_) => sleep(BREATH).await,
            },
        }
    }
}
