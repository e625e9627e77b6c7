//! The Redis queue: streams, scripts and leases on the server's clock, for many processes.

mod answer;
mod backend;
mod browse;
mod call;
mod cluster;
mod config;
mod confirm;
mod connection;
mod dead_letters;
mod endpoint;
mod entry;
mod failure;
mod gate;
mod handle;
mod home;
mod keys;
mod link;
mod management;
mod node;
mod options;
mod probe;
mod publisher;
mod reader;
mod receipt;
mod registry;
mod replies;
mod script;
mod sentinels;
mod session;
mod settler;
#[cfg(test)]
mod tests;
mod tls;
mod watch;

pub use backend::RedisBackend;
pub use options::{RedisOptions, VARIABLES};

/// The backend's name, as in `QUEUE_BACKEND`.
pub(crate) const NAME: &str = "redis";
