//! One test per promise of the memory backend, each named after what it promises. Time is paused wherever it matters.
#![expect(
    clippy::unwrap_used,
    reason = "a part of a test that fails, fails the test"
)]

mod backend;
mod cancellation;
mod crowd;
mod guarded;
mod house;
mod observed;
mod publishers;
mod receivers;
mod room;
mod sessions;
mod steering;
mod watchers;
