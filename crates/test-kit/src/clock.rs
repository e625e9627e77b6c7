use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_queue_core::{Clock, SystemClock, Timestamp};

/// The runtime's clock, set forward by as much as a test asks for.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock {
    clock: SystemClock,
    nanos: AtomicU64,
}

impl ShiftedClock {
    pub(crate) fn set_forward(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let shift = Duration::from_nanos(self.nanos.load(Ordering::SeqCst));
        self.clock.now().after(shift)
    }
}
