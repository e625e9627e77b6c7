//! The cases, one file for each group.
//!
//! A case that is not in the [list](crate::list) is dead code, and the compiler says so.

pub(crate) mod attempts;
pub(crate) mod batches;
pub(crate) mod browse;
pub(crate) mod cancel;
pub(crate) mod cancel_safety;
pub(crate) mod capabilities;
pub(crate) mod capacity;
pub(crate) mod crowd;
pub(crate) mod dead_letters;
pub(crate) mod delay;
pub(crate) mod expiry;
pub(crate) mod explain;
pub(crate) mod fairness;
pub(crate) mod idempotency;
pub(crate) mod idempotency_paths;
pub(crate) mod idempotency_window;
pub(crate) mod key_stats;
pub(crate) mod lease_limits;
pub(crate) mod leases;
pub(crate) mod leases_fencing;
pub(crate) mod limits_and_errors;
pub(crate) mod order;
pub(crate) mod pause_and_purge;
pub(crate) mod queue_updates;
pub(crate) mod queues;
pub(crate) mod quiet;
pub(crate) mod redrive;
pub(crate) mod restart;
pub(crate) mod room;
pub(crate) mod round_trip;
pub(crate) mod sessions;
pub(crate) mod stats;
pub(crate) mod throttle_changes;
pub(crate) mod throttling;
