//! What the tests stand on: the program as a child, a client, databases that can be made to fail.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod request;
pub(crate) mod server;
pub(crate) mod turn;
