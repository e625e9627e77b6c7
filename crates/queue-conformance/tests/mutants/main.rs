//! The suite bites: each deliberately broken queue is caught by the case that is named beside it.
//!
//! A mutant is the memory queue behind a decorator that breaks one promise. The case must pass without the
//! decorator and fail with it.

mod mutation;
mod round_trip;
