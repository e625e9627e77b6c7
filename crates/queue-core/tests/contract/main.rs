//! The contract's own promises: what is refused at the door, what texts say, what is never printed.
#![expect(
    clippy::unwrap_used,
    reason = "a part of a test that fails, fails the test"
)]

mod bare;
mod canary;
mod door;
mod errors;
mod registry;
mod settings;
