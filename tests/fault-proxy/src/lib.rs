//! A TCP proxy on loopback between a client and its server, which injects network faults while a test runs.
//!
//! ```
//! use std::time::Duration;
//!
//! use forebay_fault_proxy::{Direction, Fault, FaultKind, FaultProxy};
//!
//! # async fn doc(server: std::net::SocketAddr) -> std::io::Result<()> {
//! let proxy = FaultProxy::start(server).await?;
//! let url = format!("redis://127.0.0.1:{}/", proxy.port());
//!
//! proxy.set(Fault::Latency { delay: Duration::from_millis(50), jitter: Duration::from_millis(20) });
//! proxy.set_toward(Direction::ToClient, Fault::Bandwidth { bytes_per_second: 8 * 1024 });
//! // … the test works over `url` …
//! assert!(proxy.fired(FaultKind::Latency) > 0, "a planned fault never fired");
//!
//! proxy.reset_all();
//! proxy.clear();
//! # Ok(())
//! # }
//! ```
//!
//! There are exactly seven faults, one variant of [`Fault`] each. Faults of different kinds are combined; setting one
//! of a kind again replaces it. They hold for existing and new connections alike, each direction on its own.
//!
//! **Every byte arrives unaltered, in order and once**, unless its connection is cut. What a fault keeps back is kept,
//! as TCP would by sending again, and goes on when the fault is lifted. Each direction of a connection has up to
//! 1 MiB under way in the proxy; then the sender feels it.
//!
//! **What comes from the seed:** the jitter, and after how many bytes a connection is cut; for each connection and
//! direction on its own, in the order of acceptance. What does not: where TCP happens to cut the stream, and so to how
//! many bytes one roll of the jitter applies.
//!
//! It works with real sockets, so it does not go together with a paused clock.

mod connection;
mod control;
mod direction;
mod fault;
mod faults;
mod proxy;
mod pump;
mod shaper;
mod tally;

pub use direction::{Direction, PerDirection};
pub use fault::{Fault, FaultKind};
pub use proxy::FaultProxy;
