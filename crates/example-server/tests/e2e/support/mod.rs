//! What the tests stand on: the programs as children, a client, databases that can be made to fail, queues.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod process;
pub(crate) mod queue;
pub(crate) mod request;
pub(crate) mod server;
pub(crate) mod turn;
