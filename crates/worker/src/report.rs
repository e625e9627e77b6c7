/// What a worker did between its start and its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Deliveries that were settled after their handler ended, or without needing it: done, retried, snoozed,
    /// rejected, dead-lettered, or lost with their lease.
    pub processed: u64,
    /// Deliveries that were given back at shutdown, unstarted or unfinished, without spending an attempt.
    pub released: u64,
    /// Deliveries that could be neither finished nor given back within the shutdown limit: they come back when
    /// their leases end.
    pub abandoned: u64,
}
