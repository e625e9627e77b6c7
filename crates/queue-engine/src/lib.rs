//! The semantics of a queue, once: leases with fencing tokens, attempts, delays, expiry, idempotency,
//! cancel, pause, purge, retention, dead letters and capacity as one state machine.
//!
//! [`Engine`] has no clock, does no I/O and knows no async: time is an argument of every step. The memory queue is
//! this with a lock around it, the embedded one with a write batch behind each step, and every other backend is compared
//! with it under random operations.
//!
//! No step costs more than O(log n) amortised, save listing, purging and redriving by a filter.

mod archive;
mod browse;
mod bucket;
mod change;
mod control;
mod dead_letters;
mod engine;
mod entry;
mod index;
mod keys;
mod lanes;
mod leases;
mod list;
mod publish;
mod ready;
mod restore;
mod ring;
mod scheduling;
mod settle;
mod throttles;

pub use change::{Change, KeyHash, Known, Lease, Level, Live, Over, Place, Share};
pub use engine::Engine;
pub use publish::Refusal;
pub use restore::Restore;
pub use scheduling::TooManyRules;
