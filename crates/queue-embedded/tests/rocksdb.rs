//! The public suite on `RocksDB`.
#![cfg(feature = "rocksdb")]

mod suite;

use forebay_queue_embedded::Database;

forebay_queue_conformance::suite!(suite::Directory::new(Database::RocksDb));
