//! What the end-to-end tests share: private servers, free ports, waiting with a limit.
//!
//! The tests themselves are in `tests/`, one file per subject.

pub mod name;
pub mod port;
pub mod postgres;
pub mod redis;
pub mod require;
pub mod wait;
