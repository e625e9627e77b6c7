//! What is done to the one process that an embedded queue lives in, and to its disk.

pub(crate) mod damage;
pub(crate) mod disk_full;
pub(crate) mod doors;
pub(crate) mod power_cut;
pub(crate) mod process_kill;
mod resident;
mod small_disk;
mod stock;
