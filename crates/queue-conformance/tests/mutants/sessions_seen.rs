use std::sync::Arc;

use forebay_queue_core::{Backend, Delivery, Error, Queue, QueueConfig, QueueName};
use parking_lot::Mutex;

/// What a mutation remembers of the sessions that were opened and of what they were given.
#[derive(Default)]
pub(crate) struct SessionsSeen {
    opened: Mutex<Vec<Arc<dyn Queue>>>,
    given: Mutex<Vec<Delivery>>,
}

impl SessionsSeen {
    /// Opens a session and remembers it.
    pub(crate) async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        let session = inner.open(name, expected).await?;
        self.opened.lock().push(Arc::clone(&session));
        Ok(session)
    }

    /// Remembers what was handed out.
    pub(crate) fn give(&self, deliveries: &[Delivery]) {
        self.given.lock().extend_from_slice(deliveries);
    }

    /// All that was handed out so far.
    pub(crate) fn given(&self) -> Vec<Delivery> {
        self.given.lock().clone()
    }

    /// All sessions, in the order in which they were opened.
    pub(crate) fn opened(&self) -> Vec<Arc<dyn Queue>> {
        self.opened.lock().clone()
    }

    /// The session that was opened first.
    pub(crate) fn first(&self) -> Arc<dyn Queue> {
        let first = self.opened.lock().first().cloned();
        first.expect("a case opens a session first")
    }

    /// Whether a session is the one that was opened first.
    pub(crate) fn is_first(&self, session: &dyn Queue) -> bool {
        let opened = self.opened.lock();
        let first = opened.first().map(|first| Arc::as_ptr(first).addr());
        first == Some(std::ptr::from_ref(session).addr())
    }
}
