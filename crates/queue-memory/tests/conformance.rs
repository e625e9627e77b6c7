//! The public suite on the memory queue, in paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forebay_queue_conformance::{InProcess, Timing};
use forebay_queue_core::Environment;
use forebay_queue_memory::MemoryBackend;

forebay_queue_conformance::suite!({
    // Each start has randomness of its own, or its fencing tokens would be those of the start before.
    let starts = AtomicU64::new(0);
    InProcess::new(Timing::PAUSED, move || {
        let seed = starts.fetch_add(1, Ordering::Relaxed);
        Arc::new(MemoryBackend::new(Environment::seeded(seed)))
    })
});
