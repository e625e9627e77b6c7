use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forebay_queue_core::{Kind, Operation, QueueName, Source, Stats};
use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, Histogram, IntCounter, IntGauge};

use crate::metric;
use crate::series_of_kind::SeriesOfKind;

/// Everything that is measured of one queue at one backend.
pub(crate) struct SeriesOfQueue {
    queue: QueueName,
    backend: &'static str,
    kinds: HashMap<Kind, Arc<SeriesOfKind>, foldhash::fast::RandomState>,
    other_kinds: OnceLock<Arc<SeriesOfKind>>,
    operations: [OnceLock<Histogram>; TIMED.len()],
    /// A list, for there are few; a lock, for failures are not the hot path.
    errors: Mutex<Vec<(Operation, &'static str, IntCounter)>>,
    pauses: OnceLock<Pauses>,
    gauges: OnceLock<Gauges>,
    dropped: OnceLock<Dropped>,
}

/// The verbs whose time is taken.
const TIMED: [Operation; 5] = [
    Operation::Publish,
    Operation::Receive,
    Operation::Ack,
    Operation::Nack,
    Operation::Extend,
];

/// The most kinds of one queue that are told apart. The kinds of a queue come from whoever publishes, and a
/// publisher that makes up kinds must not fill the memory of every process that measures.
pub(crate) const MAX_KINDS: usize = 256;

/// The label of all kinds beyond. No kind may begin with an underscore.
pub(crate) const OTHER_KINDS: &str = "_other";

struct Pauses {
    paused: IntGauge,
    pauses: IntCounter,
}

struct Gauges {
    depth: [IntGauge; 3],
    capacity: IntGauge,
    oldest_age: Gauge,
    paused: IntGauge,
    dead_letters: IntGauge,
}

struct Dropped {
    counter: IntCounter,
    /// What the statistics said last: they count from when the queue was opened.
    last: AtomicU64,
}

impl SeriesOfQueue {
    pub(crate) fn new(source: Source<'_>) -> Self {
        Self {
            queue: source.queue.clone(),
            backend: source.backend,
            kinds: HashMap::default(),
            other_kinds: OnceLock::new(),
            operations: [const { OnceLock::new() }; TIMED.len()],
            errors: Mutex::default(),
            pauses: OnceLock::new(),
            gauges: OnceLock::new(),
            dropped: OnceLock::new(),
        }
    }

    pub(crate) fn is(&self, backend: &str) -> bool {
        self.backend == backend
    }

    /// The series of a kind, if there is a place for them already.
    pub(crate) fn kind(&self, kind: &Kind) -> Option<&Arc<SeriesOfKind>> {
        let full = self.kinds.len() >= MAX_KINDS;
        let others = || self.other_kinds.get().filter(|_| full);
        self.kinds.get(kind).or_else(others)
    }

    /// The series of a kind, made if there is room for one more.
    pub(crate) fn make_kind(&mut self, kind: &Kind) -> &Arc<SeriesOfKind> {
        let (queue, backend) = (&self.queue, self.backend);
        let new = |label| Arc::new(SeriesOfKind::new(queue.as_str(), backend, label));
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(kind) {
            return self.other_kinds.get_or_init(|| new(OTHER_KINDS));
        }
        let place = self.kinds.entry(kind.clone());
        place.or_insert_with(|| new(kind.as_str()))
    }

    pub(crate) fn took(&self, operation: Operation, elapsed: Duration) {
        let Some(i) = TIMED.iter().position(|o| *o == operation) else {
            return;
        };
        let make = || {
            let [queue, backend] = self.labels();
            metric::OPERATION_DURATION.histogram(&[queue, backend, operation.as_str()])
        };
        self.operations[i]
            .get_or_init(make)
            .observe(elapsed.as_secs_f64());
    }

    pub(crate) fn failed(&self, operation: Operation, error_type: &'static str) {
        let mut errors = self.errors.lock();
        let known = errors
            .iter()
            .find(|(o, e, _)| *o == operation && *e == error_type);
        if let Some((.., counter)) = known {
            counter.inc();
            return;
        }
        let [queue, backend] = self.labels();
        let labels = [queue, backend, operation.as_str(), error_type];
        let counter = metric::OPERATION_ERRORS.counter(&labels);
        counter.inc();
        errors.push((operation, error_type, counter));
    }

    pub(crate) fn paused(&self, paused: bool) {
        let series = self.pauses.get_or_init(|| Pauses {
            paused: metric::WORKER_PAUSED.gauge(&self.labels()),
            pauses: metric::WORKER_PAUSES.counter(&self.labels()),
        });
        series.paused.set(i64::from(paused));
        series.pauses.inc_by(u64::from(paused));
    }

    pub(crate) fn stats(&self, stats: &Stats) {
        let gauges = self.gauges.get_or_init(|| self.make_gauges());
        let live = [stats.scheduled, stats.ready, stats.leased];
        for (gauge, count) in gauges.depth.iter().zip(live) {
            gauge.set(signed(count));
        }
        gauges.capacity.set(signed(stats.capacity));
        let age = stats.oldest_age.unwrap_or_default();
        gauges.oldest_age.set(age.as_secs_f64());
        gauges.paused.set(i64::from(stats.paused));
        gauges.dead_letters.set(signed(stats.dead));
        let dropped = self.dropped();
        let last = dropped.last.swap(stats.dead_dropped, Ordering::Relaxed);
        // Less than before: the queue was opened anew and counts from zero.
        let new = stats.dead_dropped.checked_sub(last);
        dropped.counter.inc_by(new.unwrap_or(stats.dead_dropped));
    }

    pub(crate) fn collect_into(&self, families: &mut Vec<MetricFamily>) {
        for series in self.kinds.values().chain(self.other_kinds.get()) {
            series.collect_into(families);
        }
        for histogram in self.operations.iter().filter_map(OnceLock::get) {
            families.extend(histogram.collect());
        }
        for (.., counter) in &*self.errors.lock() {
            families.extend(counter.collect());
        }
        if let Some(series) = self.pauses.get() {
            families.extend(series.paused.collect());
            families.extend(series.pauses.collect());
        }
        if let Some(gauges) = self.gauges.get() {
            for gauge in &gauges.depth {
                families.extend(gauge.collect());
            }
            families.extend(gauges.capacity.collect());
            families.extend(gauges.oldest_age.collect());
            families.extend(gauges.paused.collect());
            families.extend(gauges.dead_letters.collect());
        }
        if let Some(dropped) = self.dropped.get() {
            families.extend(dropped.counter.collect());
        }
    }

    fn labels(&self) -> [&str; 2] {
        [self.queue.as_str(), self.backend]
    }

    fn make_gauges(&self) -> Gauges {
        let labels = self.labels();
        let [queue, backend] = labels;
        Gauges {
            depth: ["scheduled", "ready", "leased"]
                .map(|state| metric::QUEUE_DEPTH.gauge(&[queue, backend, state])),
            capacity: metric::QUEUE_CAPACITY.gauge(&labels),
            oldest_age: metric::QUEUE_OLDEST_AGE.float_gauge(&labels),
            paused: metric::QUEUE_PAUSED.gauge(&labels),
            dead_letters: metric::DEAD_LETTERS.gauge(&labels),
        }
    }

    fn dropped(&self) -> &Dropped {
        self.dropped.get_or_init(|| Dropped {
            counter: metric::DEAD_LETTERS_DROPPED.counter(&self.labels()),
            last: AtomicU64::new(0),
        })
    }
}

/// A gauge is signed; no queue holds 2^63 messages.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
