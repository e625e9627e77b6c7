//! What a worker promises, on the memory queue: one file per noun. Time is paused; nothing waits for luck.

#![expect(
    clippy::unwrap_used,
    reason = "tests fail by panicking, their fixture too"
)]

mod batches;
mod cancel_safety;
mod connection;
mod extractors;
mod fairness;
mod faulty;
mod fixture;
mod hands;
mod kinds;
mod layers;
mod leases;
mod outages;
mod outcomes;
mod poison;
mod prefetch;
mod priorities;
mod producer;
mod recorder;
mod retry_policy;
mod shutdown;
mod start;
mod threads;
mod unavailable;
