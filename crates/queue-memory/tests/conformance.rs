//! The public suite on the memory queue, in paused time.

use std::sync::Arc;

use forebay_queue_conformance::{InProcess, Timing};
use forebay_queue_core::Environment;
use forebay_queue_memory::MemoryBackend;

forebay_queue_conformance::suite!(InProcess::new(Timing::PAUSED, || {
    Arc::new(MemoryBackend::new(Environment::seeded(1)))
}));
