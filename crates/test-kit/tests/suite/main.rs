//! What the test kit promises: every assertion holds when it should and fails with the right text when it should, and
//! every injected failure has its visible effect.

#![expect(
    clippy::unwrap_used,
    reason = "tests fail by panicking, what they share too"
)]

mod app;
mod crashes;
mod faults;
mod outcomes;
mod perform;
mod published;
mod queues;
mod start;
mod texts;
mod time;
