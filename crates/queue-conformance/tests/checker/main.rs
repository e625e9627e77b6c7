//! The checker's own proof: for every invariant a history that breaks just it, and one nearby that does not; and what
//! a call without an answer may and may not explain.

#![expect(
    clippy::unwrap_used,
    reason = "tests fail by panicking, what they share too"
)]

mod attempts;
mod counts;
mod duplicates;
mod ends;
mod evidence;
mod keys;
mod loss;
mod memory_queue;
mod processes;
mod random;
mod receipts;
mod scale;
mod script;
mod text;
mod times;
mod unaltered;
mod unknown;
