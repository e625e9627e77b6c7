//! Random operations on the memory queue, compared with the engine that it is made of, in paused time.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue_conformance::model::{ModelSettings, run};
use forebay_queue_conformance::{InProcess, Timing};
use forebay_queue_core::Environment;
use forebay_queue_memory::MemoryBackend;

forebay_queue_conformance::model!(
    InProcess::new(Timing::PAUSED, || {
        Arc::new(MemoryBackend::new(Environment::seeded(1)))
    }),
    exact = true,
);

/// As any other backend is compared: the model follows the queue, and time is the machine's, in short steps.
#[test]
fn the_queue_does_so_on_the_clock_of_the_machine() {
    let settings = ModelSettings {
        cases: Some(3),
        steps: 20,
        ..ModelSettings::default()
    };
    let timing = Timing {
        delay: Duration::from_millis(300),
        ..Timing::REAL
    };
    run(settings, || {
        InProcess::new(timing, || {
            Arc::new(MemoryBackend::new(Environment::system()))
        })
    });
}
