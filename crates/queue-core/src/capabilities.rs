use std::fmt;
use std::time::Duration;

use crate::{Durability, Limits};

/// What a backend can do, as plain data. What it lacks is refused at the door by [`guarded`](crate::guarded).
///
/// What is not listed here, every backend does: see the promises in `docs/semantics.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a table of yes and no")]
pub struct Capabilities {
    /// The best durability it is built for; [`Backend::probe`](crate::Backend::probe) says what holds here.
    pub durability: Durability,
    /// Several processes can share one queue.
    pub shared: bool,
    /// A late ack, nack or extend is refused by the store itself, not only by a clock in the client.
    pub fencing: bool,
    /// First deliveries within one fairness key come in the order of acceptance.
    pub ordering: bool,
    /// Deliveries follow the weights of the fairness keys. Without it weights are refused; keys are carried.
    pub fairness: bool,
    /// Leases of a fairness key can be limited.
    pub lease_limits: bool,
    /// Token buckets by throttle key. Without it throttle keys are refused.
    pub throttling: bool,
    /// Dead letters can go to another queue.
    pub dead_letter_queue: bool,
    /// Ended messages can be kept for a while.
    pub retain_done: bool,
    /// The largest delay; `None` is without bound.
    pub largest_delay: Option<Duration>,
    /// How much fits.
    pub limits: Limits,
}

/// The capabilities that a message or a configuration can ask for and be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// [`Capabilities::fairness`].
    Fairness,
    /// [`Capabilities::lease_limits`].
    LeaseLimits,
    /// [`Capabilities::throttling`].
    Throttling,
    /// [`Capabilities::dead_letter_queue`].
    DeadLetterQueue,
    /// [`Capabilities::retain_done`].
    RetainDone,
    /// [`Capabilities::largest_delay`].
    Delay,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fairness => "weights of fairness keys",
            Self::LeaseLimits => "limits of leases per fairness key",
            Self::Throttling => "throttle keys",
            Self::DeadLetterQueue => "a dead-letter queue of another name",
            Self::RetainDone => "keeping ended messages (retain_done)",
            Self::Delay => "a delay as long as this",
        })
    }
}
