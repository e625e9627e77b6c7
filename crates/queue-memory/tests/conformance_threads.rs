//! The public suite on the memory queue once more, on the machine's clock and several threads.
//!
//! Nearly all of that is waiting, so the cases run many at a time, in one test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_queue_conformance::{ENTRIES, InProcess, Timing, try_run};
use forebay_queue_core::Environment;
use forebay_queue_memory::MemoryBackend;
use parking_lot::Mutex;

const AT_ONCE: usize = 16;

#[test]
fn every_case_passes_on_the_clock_of_the_machine() {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(entry) = ENTRIES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let harness = || {
                        InProcess::new(Timing::REAL, || {
                            Arc::new(MemoryBackend::new(Environment::system()))
                        })
                    };
                    if try_run(entry.group, entry.name, harness).is_err() {
                        failed
                            .lock()
                            .push(format!("{}::{}", entry.group, entry.name));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(
        failed.is_empty(),
        "these failed, as said above: {failed:#?}"
    );
}
