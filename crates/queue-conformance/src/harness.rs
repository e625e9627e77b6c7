use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_core::Backend;
use parking_lot::Mutex;

use crate::Timing;

/// Brings a backend to the suite: one harness for each case.
///
/// A case makes queues of fresh names, so a harness may lead all cases to one server.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// Connects as one more process would. The bare backend: the suite puts
    /// [`guarded`](forebay_queue_core::guarded) around it, as the registry does.
    ///
    /// A backend that is not [`shared`](forebay_queue_core::Capabilities::shared) answers with the same store
    /// each time.
    async fn connect(&self) -> Arc<dyn Backend>;

    /// The store dies without a word, with everyone connected to it, and comes back over what it had kept.
    /// A case that calls this connects again afterwards.
    async fn restart(&self);

    /// How time passes there.
    fn timing(&self) -> Timing;
}

/// A harness for a store that lives in this process and is made by a function.
pub struct InProcess<F> {
    timing: Timing,
    make: F,
    backend: Mutex<Option<Arc<dyn Backend>>>,
}

impl<F> InProcess<F>
where
    F: Fn() -> Arc<dyn Backend> + Send + Sync + 'static,
{
    /// `make` is called once for each case, within its runtime, and again after each restart: then it has to draw
    /// other random numbers, as fencing tokens are made of them.
    pub const fn new(timing: Timing, make: F) -> Self {
        Self {
            timing,
            make,
            backend: Mutex::new(None),
        }
    }
}

#[async_trait]
impl<F> Harness for InProcess<F>
where
    F: Fn() -> Arc<dyn Backend> + Send + Sync + 'static,
{
    async fn connect(&self) -> Arc<dyn Backend> {
        let mut backend = self.backend.lock();
        Arc::clone(backend.get_or_insert_with(|| (self.make)()))
    }

    async fn restart(&self) {
        self.backend.lock().take();
    }

    fn timing(&self) -> Timing {
        self.timing
    }
}
