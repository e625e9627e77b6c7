use std::time::Duration;

/// How time passes for a store under test, and how exactly it keeps it.
///
/// A case never names a span of its own: it multiplies these, so that the same case takes no time on a paused clock and
/// as little as the store allows on a real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Whether the store counts on tokio's clock, so that the suite may pause it.
    pub paused: bool,
    /// The lease of a queue in a case in which leases run out.
    pub lease: Duration,
    /// A delay that can be told apart from none.
    pub delay: Duration,
    /// How late a due message may come: 50 ms in process, 100 ms over a network.
    pub lateness: Duration,
    /// What a busy machine may add to any span before a case calls it wrong.
    pub slack: Duration,
    /// How long a case waits for what must come, before it says that it did not.
    pub limit: Duration,
}

impl Timing {
    /// For a store whose time is tokio's: nothing is waited for.
    pub const PAUSED: Self = Self {
        paused: true,
        lease: Duration::from_secs(30),
        delay: Duration::from_mins(1),
        lateness: Duration::from_millis(50),
        slack: Duration::ZERO,
        limit: Duration::from_hours(1),
    };

    /// For a store in this process on the machine's clock.
    pub const REAL: Self = Self {
        paused: false,
        lease: Duration::from_millis(1_200),
        delay: Duration::from_millis(600),
        lateness: Duration::from_millis(50),
        slack: Duration::from_millis(500),
        limit: Duration::from_secs(20),
    };

    /// For a server reached over a network.
    pub const NETWORK: Self = Self {
        lateness: Duration::from_millis(100),
        ..Self::REAL
    };

    /// How much a store may lose where it keeps a time in whole milliseconds, and a timer with it.
    pub const GRAIN: Duration = Duration::from_millis(2);

    /// The latest moment, after it was due, at which something still is in time.
    pub fn tolerance(&self) -> Duration {
        self.lateness + self.slack
    }

    /// A little while: enough for a call to reach the store, far less than a lease.
    pub fn moment(&self) -> Duration {
        self.lease / 20
    }
}
