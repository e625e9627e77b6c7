//! The suite bites: each deliberately broken queue is caught by the case that is named beside it.
//!
//! A mutant is the memory queue behind a decorator that breaks one promise. The case must pass without the
//! decorator and fail with it.

mod attempts;
mod batches;
mod browse;
mod cancel;
mod cancel_safety;
mod capabilities;
mod capacity;
mod crowd;
mod dead_letters;
mod delay;
mod durable;
mod expiry;
mod explain;
mod fairness;
mod honest;
mod idempotency;
mod idempotency_paths;
mod idempotency_window;
mod key_stats;
mod lease_limits;
mod leases;
mod leases_fencing;
mod limits_and_errors;
mod model;
mod mutation;
mod order;
mod otherwise;
mod pause_and_purge;
mod queue_updates;
mod queues;
mod quiet;
mod redrive;
mod restart;
mod room;
mod round_trip;
mod sessions;
mod sessions_seen;
mod stats;
mod throttle_changes;
mod throttling;
