//! The public suite on the memory queue, on the machine's clock and several threads.

use std::sync::Arc;

use forebay_queue_conformance::{InProcess, Timing};
use forebay_queue_core::Environment;
use forebay_queue_memory::MemoryBackend;

forebay_queue_conformance::suite!(InProcess::new(Timing::REAL, || {
    Arc::new(MemoryBackend::new(Environment::system()))
}));
