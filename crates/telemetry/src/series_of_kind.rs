use std::sync::OnceLock;
use std::time::Duration;

use forebay_queue_core::ProcessOutcome;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{Histogram, IntCounter, IntGauge};

use crate::metric;

/// Everything that is measured of one kind in one queue. Made as far as it is used: a process that only publishes
/// shows no handlers.
pub(crate) struct SeriesOfKind {
    labels: [Box<str>; 3],
    sent: OnceLock<Sent>,
    consumed: OnceLock<IntCounter>,
    work: OnceLock<Work>,
}

/// Messages given to publish. All outcomes begin at zero, so that the first refusal is a step and not a beginning.
pub(crate) struct Sent {
    pub(crate) accepted: IntCounter,
    pub(crate) duplicate: IntCounter,
    pub(crate) refused: IntCounter,
    pub(crate) error: IntCounter,
}

/// What workers do.
pub(crate) struct Work {
    dwell: Histogram,
    duration: Histogram,
    processed: [IntCounter; ProcessOutcome::ALL.len()],
    failed: IntCounter,
    active: IntGauge,
}

impl SeriesOfKind {
    pub(crate) fn new(queue: &str, backend: &str, kind: &str) -> Self {
        Self {
            labels: [queue.into(), backend.into(), kind.into()],
            sent: OnceLock::new(),
            consumed: OnceLock::new(),
            work: OnceLock::new(),
        }
    }

    pub(crate) fn sent(&self) -> &Sent {
        self.sent.get_or_init(|| {
            let [queue, backend, kind] = &self.labels;
            let of = |outcome| metric::SENT_MESSAGES.counter(&[queue, backend, kind, outcome]);
            Sent {
                accepted: of("accepted"),
                duplicate: of("duplicate"),
                refused: of("refused"),
                error: of("error"),
            }
        })
    }

    pub(crate) fn consumed(&self) -> &IntCounter {
        self.consumed.get_or_init(|| {
            let [queue, backend, kind] = &self.labels;
            metric::CONSUMED_MESSAGES.counter(&[queue, backend, kind])
        })
    }

    pub(crate) fn work(&self) -> &Work {
        self.work.get_or_init(|| {
            let [queue, backend, kind] = &self.labels;
            let labels: [&str; 3] = [queue, backend, kind];
            Work {
                dwell: metric::QUEUE_DWELL.histogram(&labels),
                duration: metric::PROCESS_DURATION.histogram(&labels),
                processed: ProcessOutcome::ALL.map(|outcome| {
                    metric::WORKER_PROCESSED.counter(&[queue, backend, kind, outcome.as_str()])
                }),
                failed: metric::WORKER_FAILED.counter(&labels),
                active: metric::WORKER_ACTIVE.gauge(&labels),
            }
        })
    }

    pub(crate) fn collect_into(&self, families: &mut Vec<MetricFamily>) {
        if let Some(sent) = self.sent.get() {
            for counter in [&sent.accepted, &sent.duplicate, &sent.refused, &sent.error] {
                families.extend(counter.collect());
            }
        }
        if let Some(consumed) = self.consumed.get() {
            families.extend(consumed.collect());
        }
        if let Some(work) = self.work.get() {
            work.collect_into(families);
        }
    }
}

impl Work {
    pub(crate) fn started(&self, dwell: Duration) {
        self.dwell.observe(dwell.as_secs_f64());
        self.active.inc();
    }

    pub(crate) fn processed(&self, outcome: ProcessOutcome, elapsed: Option<Duration>) {
        if let Some(elapsed) = elapsed {
            self.duration.observe(elapsed.as_secs_f64());
            self.active.dec();
        }
        if let Some(i) = ProcessOutcome::ALL.iter().position(|o| *o == outcome) {
            self.processed[i].inc();
        }
        if matches!(
            outcome,
            ProcessOutcome::Retry | ProcessOutcome::Reject | ProcessOutcome::Dead
        ) {
            self.failed.inc();
        }
    }

    fn collect_into(&self, families: &mut Vec<MetricFamily>) {
        families.extend(self.dwell.collect());
        families.extend(self.duration.collect());
        for counter in &self.processed {
            families.extend(counter.collect());
        }
        families.extend(self.failed.collect());
        families.extend(self.active.collect());
    }
}
