//! The project's own chores, as a library.
//!
//! `cargo xtask` is the command; this library holds what it does, so that the tests in
//! `tests/` use the same code: the private PostgreSQL cluster, the private Redis
//! servers and the generated parts of the documents.

pub mod bench;
pub mod children;
pub mod docs;
pub mod faults;
pub mod gate;
pub mod interrupt;
pub mod poll;
pub mod port;
pub mod postgres;
pub mod redis;
pub mod setup;
pub mod simulate;
pub mod step;
pub mod workspace;
