use std::cell::RefCell;
use std::sync::Arc;

use forebay_queue_core::{Kind, QueueName, Source};

use crate::series_of_kind::SeriesOfKind;

thread_local! {
    /// What this thread has met lately. Threads that measure a million messages a second would otherwise hand the
    /// cache line of one lock to and fro for each of them.
    pub(crate) static RECENT: RefCell<RecentKinds> = const { RefCell::new(RecentKinds::new()) };
}

/// The series of the kinds that a thread has met lately, of any observer. So few that comparing beats hashing.
pub(crate) struct RecentKinds {
    entries: Vec<Entry>,
    oldest: usize,
}

/// The most that are kept.
const MOST: usize = 8;

struct Entry {
    version: u64,
    backend: &'static str,
    queue: QueueName,
    kind: Kind,
    series: Arc<SeriesOfKind>,
}

impl RecentKinds {
    const fn new() -> Self {
        Self {
            entries: Vec::new(),
            oldest: 0,
        }
    }

    /// The series that is kept, else the one that `look_up` finds, which takes the place of the oldest.
    #[inline]
    pub(crate) fn find_or_keep(
        &mut self,
        version: u64,
        source: Source<'_>,
        kind: &Kind,
        look_up: impl FnOnce() -> Arc<SeriesOfKind>,
    ) -> &SeriesOfKind {
        let found = self.entries.iter().position(|e| {
            e.version == version
                && e.kind == *kind
                && e.queue == *source.queue
                && e.backend == source.backend
        });
        let place = found.unwrap_or_else(|| {
            self.keep(Entry {
                version,
                backend: source.backend,
                queue: source.queue.clone(),
                kind: kind.clone(),
                series: look_up(),
            })
        });
        &self.entries[place].series
    }

    #[cold]
    fn keep(&mut self, entry: Entry) -> usize {
        if self.entries.len() < MOST {
            self.entries.push(entry);
            return self.entries.len() - 1;
        }
        let place = self.oldest;
        self.oldest = (place + 1) % MOST;
        self.entries[place] = entry;
        place
    }
}
