//! Private Redis servers: each with its own folder, its own loopback port, its own process.
//!
//! A test that breaks its server starts one with [`RedisServer::builder`]; whoever only needs
//! a server to talk to starts a [`Kind`] of it, and `cargo xtask test` starts all of them once
//! for the whole run, as a [`Fleet`].

mod accounts;
mod binary;
mod builder;
mod certificate;
mod client;
mod cluster;
mod fleet;
mod kind;
mod pair;
mod reply;
mod server;

pub use accounts::RULES;
pub use binary::Binary;
pub use builder::RedisBuilder;
pub use client::{Client, Connection};
pub use cluster::RedisCluster;
pub use fleet::Fleet;
pub use kind::{Kind, Started, variable};
pub use pair::RedisPair;
pub use reply::Reply;
pub use server::RedisServer;
