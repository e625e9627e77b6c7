//! Random operations on the embedded queue, compared with the engine: the model follows the queue, and time is the machine's.
#![cfg(any(feature = "sqlite", feature = "rocksdb"))]

mod suite;

use std::thread;
use std::time::Duration;

use forebay_queue_conformance::Timing;
use forebay_queue_conformance::model::{ModelSettings, run};
use forebay_queue_embedded::Database;

use suite::Directory;

/// Long steps: within a third of one comes all that happens at it, and after each operation a few dozen calls look at
/// everything that can be seen.
const TIMING: Timing = Timing {
    delay: Duration::from_secs(2),
    ..Timing::REAL
};

/// Nearly all of it is waiting, so the 32 sequences run at a time.
const AT_ONCE: usize = 32;

fn compare(database: Database) {
    let settings = ModelSettings {
        cases: Some(1),
        steps: 30,
        ..ModelSettings::default()
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| run(settings, || Directory::new(database).with_timing(TIMING)));
        }
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_does_what_the_engine_does() {
    compare(Database::Sqlite);
}

#[cfg(feature = "rocksdb")]
#[test]
fn rocksdb_does_what_the_engine_does() {
    compare(Database::RocksDb);
}
