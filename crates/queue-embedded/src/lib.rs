//! The embedded queue: one process and its own disk.
//!
//! What touches the disk is in [`storage`]: an object-safe [`Storage`](storage::Storage) trait over two databases, and on
//! top of it a typed [`Store`](storage::Store) that both share. Nothing outside that module names a database.

pub mod storage;
