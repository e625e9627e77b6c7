//! The suite that every forebay queue passes.
//!
//! Whoever writes a backend brings a [`Harness`] and writes [`suite!`] once: each promise of the semantics becomes a
//! named test. What a backend declares in its [`Capabilities`](forebay_queue_core::Capabilities) is tested, and what it does
//! not declare must be refused: nothing is skipped. `docs/writing-a-backend.md` walks through it.

mod case;
mod cases;
pub mod checker;
pub mod full_load;
mod harness;
pub mod history;
mod list;
pub mod many_keys;
pub mod message;
pub mod model;
mod scheduling;
mod subject;
mod suite;
mod timing;
mod waiting;

pub use case::Case;
pub use harness::{Harness, InProcess};
pub use subject::Subject;
pub use suite::{ENTRIES, Entry, run, try_run};
pub use timing::Timing;
pub use waiting::Waiting;

/// The blocks of the page for those who write a backend, compiled and run by the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-a-backend.md")]
struct WritingABackend;
