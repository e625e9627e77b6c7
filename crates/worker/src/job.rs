use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forebay_queue_core::{Delivery, Message, QueueName};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::states::States;

/// One delivery on its way to its handler: the request of the services that layers wrap.
///
/// It lives as long as the handler's future: when it is dropped, [`Cancelled`](crate::Cancelled) is told.
pub struct Job {
    delivery: Delivery,
    received: Instant,
    context: Arc<JobContext>,
    ended: OnceLock<Box<DropGuard>>,
}

/// What all jobs of one queue have in common. Each slot has its own, so that counting references stays on one core.
pub(crate) struct JobContext {
    pub(crate) queue: QueueName,
    pub(crate) backend: &'static str,
    pub(crate) states: Arc<States>,
    pub(crate) shutdown: CancellationToken,
}

impl Job {
    pub(crate) fn new(delivery: Delivery, received: Instant, context: Arc<JobContext>) -> Self {
        Self {
            delivery,
            received,
            context,
            ended: OnceLock::new(),
        }
    }

    /// The delivery. The worker settles it; settling it by hand as well answers `LeaseLost` to one of both.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The message.
    pub fn message(&self) -> &Arc<Message> {
        &self.delivery.message
    }

    /// The queue that it came from.
    pub fn queue(&self) -> &QueueName {
        &self.context.queue
    }

    /// The name of the queue's backend.
    pub fn backend(&self) -> &'static str {
        self.context.backend
    }

    /// How old the message is now, from the latest of published, due and redriven.
    pub fn age(&self) -> Duration {
        age(&self.delivery, self.received)
    }

    /// A state that the worker was given.
    pub fn state<S: 'static>(&self) -> Option<&S> {
        self.context.states.get()
    }

    /// Cancelled when the job is over, whichever way.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended
            .get_or_init(|| Box::new(CancellationToken::new().drop_guard()))
            .token()
            .clone()
    }

    /// Cancelled when the worker begins to shut down.
    pub(crate) fn shutdown(&self) -> CancellationToken {
        self.context.shutdown.clone()
    }
}

impl AsRef<Delivery> for Job {
    fn as_ref(&self) -> &Delivery {
        &self.delivery
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("queue", &self.context.queue)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

/// The age of a message, by the store's clock up to the hand-out and by the local one from then on.
pub(crate) fn age(delivery: &Delivery, received: Instant) -> Duration {
    delivery.delivered_at.since(delivery.age_from) + received.elapsed()
}
