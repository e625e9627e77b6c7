use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_queue_core::{QueueConfig, QueueName, Timestamp};
use forebay_queue_engine::{Engine, Refusal};

use crate::command::{Publication, Request};

/// Tells queues apart, also one from another of the same name that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineId(pub(crate) u64);

/// One queue, with those who wait for it.
pub(crate) struct Line {
    pub(crate) name: QueueName,
    pub(crate) engine: Engine,
    /// The lease that new deliveries get, for sessions to look at.
    pub(crate) lease: Arc<Lease>,
    pub(crate) receivers: VecDeque<Request>,
    /// Publishers that wait for room, in order of arrival, then those who have just come.
    pub(crate) publishers: VecDeque<Publisher>,
    dropped: u64,
}

/// A publication with the last answer that it got.
pub(crate) struct Publisher {
    pub(crate) publication: Publication,
    /// Why it waits; nothing when it has just come.
    pub(crate) refusal: Option<Refusal>,
}

/// A span that one thread sets and others read.
#[derive(Debug)]
pub(crate) struct Lease(AtomicU64);

impl Lease {
    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, span: Duration) {
        // At most twelve hours.
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Line {
    pub(crate) fn new(name: QueueName, engine: Engine) -> Self {
        let lease = Lease(AtomicU64::new(0));
        lease.set(engine.config().lease);
        Self {
            name,
            dropped: engine.dead_letters_dropped(),
            engine,
            lease: Arc::new(lease),
            receivers: VecDeque::new(),
            publishers: VecDeque::new(),
        }
    }

    /// Another engine, of the same queue after its store was opened anew.
    pub(crate) fn replace(&mut self, engine: Engine) {
        self.lease.set(engine.config().lease);
        self.dropped = engine.dead_letters_dropped();
        self.engine = engine;
    }

    pub(crate) fn update(&mut self, config: QueueConfig) {
        self.lease.set(config.lease);
        self.engine.update(config);
    }

    /// Somebody joins the receivers; those who have gone away meanwhile leave.
    pub(crate) fn join(&mut self, request: Request) {
        self.receivers.retain(|waiting| !waiting.reply.is_closed());
        self.receivers.push_back(request);
    }

    /// Whoever waits with this ticket is answered now.
    pub(crate) fn give_up(&mut self, ticket: u64) {
        let is_it = |request: &Request| request.ticket == Some(ticket);
        if let Some(place) = self.receivers.iter().position(is_it)
            && let Some(request) = self.receivers.remove(place)
        {
            request.answer_nothing();
        }
        let is_it = |publisher: &Publisher| publisher.publication.ticket == Some(ticket);
        let Some(place) = self.publishers.iter().position(is_it) else {
            return;
        };
        match self.publishers[place].refusal {
            Some(refusal) => {
                if let Some(publisher) = self.publishers.remove(place) {
                    let error = refusal.into_error(&self.name);
                    let _ = publisher.publication.reply.send(Err(error));
                }
            }
            // Not looked at yet: it is not willing to wait any more.
            None => self.publishers[place].publication.ticket = None,
        }
    }

    /// Whether there is something to do that no time has to pass for.
    pub(crate) fn is_busy(&self) -> bool {
        let is_new = |publisher: &Publisher| publisher.refusal.is_none();
        (!self.receivers.is_empty() && self.engine.has_ready())
            || self.publishers.iter().any(is_new)
    }

    /// When it has to be looked at again by itself.
    pub(crate) fn next_event(&self) -> Option<Timestamp> {
        if self.receivers.is_empty() && self.publishers.is_empty() {
            return None;
        }
        let waits_for_keys =
            |first: &Publisher| matches!(first.refusal, Some(Refusal::KeysFull { .. }));
        let keys = match self.publishers.front() {
            Some(first) if waits_for_keys(first) => self.engine.next_key_end(),
            _ => None,
        };
        [self.engine.next_event(), keys].into_iter().flatten().min()
    }

    /// Dead letters dropped since this was asked last.
    pub(crate) fn newly_dropped(&mut self) -> u64 {
        let all = self.engine.dead_letters_dropped();
        all - std::mem::replace(&mut self.dropped, all)
    }
}
