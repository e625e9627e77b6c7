//! The observers and the layer at work, around a backend that follows a script.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod captured;
mod logs;
#[cfg(feature = "prometheus")]
mod metrics;
#[cfg(feature = "prometheus")]
mod operations;
mod scripted;
#[cfg(feature = "otel")]
mod trace_context;
