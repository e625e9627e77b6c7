//! The server from end to end: the program itself as a child process, real databases, HTTP over sockets.

#![allow(clippy::unwrap_used, reason = "a test")]

mod bad_requests;
mod canaries;
mod dead_letters;
mod door;
mod embedded;
mod environment;
mod full_queue;
mod idempotency;
mod main_job;
mod outage;
mod processes;
mod queue_outage;
mod shutdown;
mod soak;
mod support;
