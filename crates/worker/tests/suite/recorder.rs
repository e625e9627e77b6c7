//! An observer that keeps what it is told.

use std::time::Duration;

use forebay_queue_core::{Event, MessageId, Observer, ProcessOutcome};
use parking_lot::Mutex;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Processed {
    pub(crate) id: MessageId,
    pub(crate) attempt: u32,
    pub(crate) outcome: ProcessOutcome,
    pub(crate) elapsed: Option<Duration>,
}

#[derive(Default)]
pub(crate) struct Recorder {
    processed: Mutex<Vec<Processed>>,
    dwells: Mutex<Vec<Duration>>,
    pauses: Mutex<Vec<Duration>>,
    resumed: Mutex<usize>,
}

impl Recorder {
    pub(crate) fn processed(&self) -> Vec<Processed> {
        self.processed.lock().clone()
    }

    pub(crate) fn count(&self, outcome: ProcessOutcome) -> usize {
        let of = |p: &&Processed| p.outcome == outcome;
        self.processed.lock().iter().filter(of).count()
    }

    pub(crate) fn dwells(&self) -> Vec<Duration> {
        self.dwells.lock().clone()
    }

    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.pauses.lock().clone()
    }

    pub(crate) fn resumed(&self) -> usize {
        *self.resumed.lock()
    }
}

impl Observer for Recorder {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Started { dwell, .. } => self.dwells.lock().push(*dwell),
            Event::Processed {
                id,
                attempt,
                outcome,
                elapsed,
                ..
            } => self.processed.lock().push(Processed {
                id: *id,
                attempt: *attempt,
                outcome: *outcome,
                elapsed: *elapsed,
            }),
            Event::Paused { pause, .. } => self.pauses.lock().push(*pause),
            Event::Resumed { .. } => *self.resumed.lock() += 1,
            _ => {}
        }
    }
}
