//! Typed tasks on any forebay queue: producers that publish them, and workers that run them.
//!
//! A [`Connection`] is an open queue. Its [`Producer`] publishes values of types that are [`Task`]s; a [`Worker`]
//! runs a [`Handler`] for each. A handler is an async function: its first argument is the task, the others are
//! taken out of the job ([`Meta`], [`State`], …). What it returns decides about the message: done, or a
//! [`Failure`] that says whether to retry, reject, snooze, or wait until something works again.
//!
//! Handlers run at least once: a worker that dies, or loses its lease, may have done the work already. Work
//! with effects outside takes [`Meta::idempotency_key`] or [`Meta::id`] along.

mod backoff;
mod buffer;
mod connection;
mod error;
mod extract;
mod failure;
mod fetcher;
mod gate;
mod handler;
mod job;
mod keeper;
mod lane;
mod ledger;
mod outcome;
mod plan;
mod prober;
mod producer;
mod publish;
mod report;
mod retry_policy;
mod routes;
mod running;
mod service;
mod settlement;
mod settler;
mod shutdown;
mod slot;
mod states;
mod task;
mod turn;
mod verdict;
mod worker;

pub use backoff::Backoff;
pub use connection::Connection;
pub use error::WorkerError;
pub use extract::{Cancelled, FromJob, Meta, Shutdown, State};
pub use failure::{Failure, FailureError};
pub use handler::{Handler, HandlerOptions, RawHandler};
pub use job::Job;
pub use outcome::{IntoOutcome, Outcome};
pub use producer::Producer;
pub use publish::Publish;
pub use report::Report;
pub use retry_policy::{Decision, GiveUp, RetryPolicy};
pub use service::{JobFuture, JobService};
pub use states::Requirements;
pub use task::Task;
pub use worker::{Drain, Worker};
