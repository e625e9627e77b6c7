use std::time::Duration;

/// One of the seven faults, with its measures. No length of time in it is above a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Everything arrives later, in order. It costs time, not throughput, up to 1 MiB under way. The delay applies to
    /// bytes and to the end of a stream, to each direction where it is set: a round trip pays it twice.
    Latency {
        /// The least time that everything is under way.
        delay: Duration,
        /// At most this much more, drawn from the seed for each run of bytes that was read at once. Zero for none.
        jitter: Duration,
    },
    /// Data arrives in pieces. Without a pause the receiver's kernel may join pieces again before they are read; with
    /// one of a few milliseconds, a receiver that reads at once sees them one by one.
    Slices {
        /// The largest piece, at least 1.
        bytes: usize,
        /// Between the end of a piece and the beginning of the next one.
        pause: Duration,
    },
    /// Connections are reset (RST) toward both ends once they have carried so many bytes in this direction: at the
    /// next byte, so that exactly that many are passed on. Counted from the moment it is set, or from a later
    /// connection's beginning. A connection that is idle stays; [`FaultProxy::reset_all`](crate::FaultProxy::reset_all)
    /// resets it too.
    ///
    /// `after: 0` [toward the client](crate::Direction::ToClient) loses the answer to a request that was carried out.
    Reset {
        /// The least number of bytes that pass.
        after: u64,
        /// At most this many more, drawn from the seed for each connection. Zero for none.
        spread: u64,
    },
    /// Nothing is forwarded, neither bytes nor the end of a stream. Connections stay open and new ones are accepted,
    /// but reach the upstream only afterwards (where the hole is toward it). When it is lifted, what was held back
    /// goes on; a client that has hung up meanwhile without having reached the upstream is forgotten.
    BlackHole,
    /// As a path that forgot the connection: once it has carried so many bytes in this direction, counted as with
    /// [`Reset`](Self::Reset), at the next byte the upstream's side is closed, while the client's stays open in
    /// silence: no answer, no FIN, and what it sends is swallowed. It stays so when the fault is lifted, until the
    /// client closes or [`FaultProxy::reset_all`](crate::FaultProxy::reset_all).
    HalfOpen {
        /// The least number of bytes that pass.
        after: u64,
        /// At most this many more, drawn from the seed for each connection. Zero for none.
        spread: u64,
    },
    /// The end of a stream, whether FIN or RST, is passed on late. Data is not.
    SlowClose {
        /// From the moment the end would have been passed on, which is after all data.
        delay: Duration,
    },
    /// So many bytes arrive in a second and not more, for each connection on its own. Bytes arrive when their time on
    /// the wire is over, so that *n* bytes take at least *n* / rate.
    Bandwidth {
        /// At least 1.
        bytes_per_second: u64,
    },
}

impl Fault {
    /// Which of the seven it is.
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Latency { .. } => FaultKind::Latency,
            Self::Slices { .. } => FaultKind::Slices,
            Self::Reset { .. } => FaultKind::Reset,
            Self::BlackHole => FaultKind::BlackHole,
            Self::HalfOpen { .. } => FaultKind::HalfOpen,
            Self::SlowClose { .. } => FaultKind::SlowClose,
            Self::Bandwidth { .. } => FaultKind::Bandwidth,
        }
    }
}

/// The seven kinds of [`Fault`], and what [`FaultProxy::fired`](crate::FaultProxy::fired) counts for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Runs of bytes, as they were read, and ends of streams that were delayed.
    Latency,
    /// Pieces that were cut off a longer run of bytes.
    Slices,
    /// Connections that were reset, by the fault or by [`FaultProxy::reset_all`](crate::FaultProxy::reset_all).
    Reset,
    /// Runs of bytes, ends of streams and new connections that were held back.
    BlackHole,
    /// Connections that were left half-open, by the fault or by
    /// [`FaultProxy::half_open_all`](crate::FaultProxy::half_open_all).
    HalfOpen,
    /// Ends of streams that were held back.
    SlowClose,
    /// Pieces that took their time on the wire.
    Bandwidth,
}

impl FaultKind {
    /// All seven.
    pub const ALL: [Self; 7] = [
        Self::Latency,
        Self::Slices,
        Self::Reset,
        Self::BlackHole,
        Self::HalfOpen,
        Self::SlowClose,
        Self::Bandwidth,
    ];
}
