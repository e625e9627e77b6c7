/// A sorted map of its own: a table in SQLite, a column family in `RocksDB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// The store's own books: the number of the last fsynced batch.
    Default,
    /// Messages that are scheduled, ready or leased, without their payloads.
    Messages,
    /// Payloads, under the keys that their messages have or had: start-up reads none of them.
    Payloads,
    /// Who holds which message.
    Leases,
    /// The same by time: when which lease ends.
    LeaseExpiry,
    /// Configurations of queues.
    Queues,
    /// Whatever else is to be kept, by name.
    State,
    /// Dead letters, without their payloads.
    Dead,
    /// Messages that have ended otherwise and are still kept, without their payloads.
    Done,
    /// Idempotency keys, hashed.
    Keys,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Default,
        Self::Messages,
        Self::Payloads,
        Self::Leases,
        Self::LeaseExpiry,
        Self::Queues,
        Self::State,
        Self::Dead,
        Self::Done,
        Self::Keys,
    ];

    /// The name of its table or column family.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Messages => "messages",
            Self::Payloads => "payloads",
            Self::Leases => "leases",
            Self::LeaseExpiry => "lease_expiry",
            Self::Queues => "queues",
            Self::State => "state",
            Self::Dead => "dead",
            Self::Done => "done",
            Self::Keys => "keys",
        }
    }

    /// What stands for it in checksums. Stored: never changes.
    pub(super) const fn tag(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Messages => 1,
            Self::Payloads => 2,
            Self::Leases => 3,
            Self::LeaseExpiry => 4,
            Self::Queues => 5,
            Self::State => 6,
            Self::Dead => 7,
            Self::Done => 8,
            Self::Keys => 9,
        }
    }

    /// Its place in [`Family::ALL`].
    #[cfg(any(test, feature = "sqlite"))]
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}
