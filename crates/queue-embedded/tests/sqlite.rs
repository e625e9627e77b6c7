//! The public suite on SQLite.
#![cfg(feature = "sqlite")]

mod suite;

use forebay_queue_embedded::Database;

forebay_queue_conformance::suite!(suite::Directory::new(Database::Sqlite));
