//! What is done to servers and processes, one file for each.

pub(crate) mod dead_leases;
pub(crate) mod disk_full;
pub(crate) mod embedded;
pub(crate) mod full;
pub(crate) mod long_work;
pub(crate) mod loss;
pub(crate) mod network;
pub(crate) mod part;
pub(crate) mod poison;
pub(crate) mod power_cut;
pub(crate) mod promotion;
pub(crate) mod refusals;
pub(crate) mod server_kill;
pub(crate) mod suspension;
pub(crate) mod two_workers;
pub(crate) mod worker_kill;
