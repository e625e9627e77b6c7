//! One test per promise of the engine, each named after what it promises.
#![expect(
    clippy::unchecked_time_subtraction,
    reason = "a moment before another; an underflow fails the test"
)]

mod attempts;
mod browsing;
mod budget;
mod cancel;
mod capacity;
mod control;
mod cost;
mod dead_letters;
mod delay;
mod ended;
mod expiry;
mod explain;
mod fairness;
mod idempotency;
mod lease_limits;
mod leases;
mod order;
mod publish;
mod receipts;
mod stats;
mod throttles;
mod trial;
mod update;
