use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forebay_queue_core::{Kind, QueueName, Source};
use parking_lot::RwLock;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::METRICS;
use crate::recent_kinds::RECENT;
use crate::series_of_kind::SeriesOfKind;
use crate::series_of_queue::SeriesOfQueue;

/// Everything that is measured. Cheap to clone: the registry holds one, the observer another.
///
/// The series of a kind take an event without a lock where this thread has met the kind lately; else under the lock for
/// reading. Only the first event of a queue or a kind takes it for writing. The numbers themselves are atomic.
#[derive(Clone, Default)]
pub(crate) struct Series(Arc<Shared>);

struct Shared {
    descs: Vec<Desc>,
    queues: RwLock<Queues>,
    /// Unique among all observers of the process, and new after [`Series::forget`].
    version: AtomicU64,
}

fn next_version() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// By queue, then by backend: hardly ever more than one.
type Queues = HashMap<QueueName, Vec<SeriesOfQueue>, foldhash::fast::RandomState>;

impl Default for Shared {
    fn default() -> Self {
        Self {
            descs: METRICS.iter().map(crate::Metric::desc).collect(),
            queues: RwLock::default(),
            version: AtomicU64::new(next_version()),
        }
    }
}

impl Series {
    /// Lets `f` see the series of a queue.
    #[inline]
    pub(crate) fn of_queue(&self, source: Source<'_>, f: impl FnOnce(&SeriesOfQueue)) {
        let queues = self.0.queues.read();
        if let Some(series) = find(&queues, source) {
            return f(series);
        }
        drop(queues);
        let mut queues = self.0.queues.write();
        f(place(&mut queues, source));
    }

    /// Lets `f` see the series of a kind.
    #[inline]
    pub(crate) fn of_kind(&self, source: Source<'_>, kind: &Kind, f: impl FnOnce(&SeriesOfKind)) {
        // Read before the look-up: what is found while another thread forgets is then outdated at once.
        let version = self.0.version.load(Ordering::Acquire);
        let mut f = Some(f);
        // A thread that is ending has no memory any more.
        let _ = RECENT.try_with(|recent| {
            let mut recent = recent.borrow_mut();
            let series = recent.find_or_keep(version, source, kind, || self.look_up(source, kind));
            if let Some(f) = f.take() {
                f(series);
            }
        });
        if let Some(f) = f {
            f(&self.look_up(source, kind));
        }
    }

    /// Drops the series of a queue.
    pub(crate) fn forget(&self, source: Source<'_>) {
        let mut queues = self.0.queues.write();
        if let Some(series) = queues.get_mut(source.queue) {
            series.retain(|s| !s.is(source.backend));
            if series.is_empty() {
                queues.remove(source.queue);
            }
        }
        self.0.version.store(next_version(), Ordering::Release);
    }

    fn look_up(&self, source: Source<'_>, kind: &Kind) -> Arc<SeriesOfKind> {
        let queues = self.0.queues.read();
        if let Some(series) = find(&queues, source).and_then(|q| q.kind(kind)) {
            return Arc::clone(series);
        }
        drop(queues);
        let mut queues = self.0.queues.write();
        Arc::clone(place(&mut queues, source).make_kind(kind))
    }
}

impl Collector for Series {
    fn desc(&self) -> Vec<&Desc> {
        self.0.descs.iter().collect()
    }

    /// One family per series; the registry joins those of one name.
    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        for queue in self.0.queues.read().values().flatten() {
            queue.collect_into(&mut families);
        }
        families
    }
}

fn find<'a>(queues: &'a Queues, source: Source<'_>) -> Option<&'a SeriesOfQueue> {
    let backends = queues.get(source.queue)?;
    backends.iter().find(|s| s.is(source.backend))
}

fn place<'a>(queues: &'a mut Queues, source: Source<'_>) -> &'a mut SeriesOfQueue {
    let backends = queues.entry(source.queue.clone()).or_default();
    let i = backends.iter().position(|s| s.is(source.backend));
    let i = i.unwrap_or_else(|| {
        backends.push(SeriesOfQueue::new(source));
        backends.len() - 1
    });
    &mut backends[i]
}
