use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Observer, Observers, QueueConfig};

use crate::stand::Stand;
use crate::{TestKit, paused};

/// How a [`TestKit`] is to be.
#[derive(Clone, Debug)]
#[must_use = "a kit is made by `build`"]
pub struct TestKitBuilder {
    pub(crate) name: String,
    pub(crate) config: QueueConfig,
    seed: u64,
    observers: Observers,
}

impl Default for TestKitBuilder {
    fn default() -> Self {
        Self {
            name: "test".to_owned(),
            config: QueueConfig::default(),
            seed: 1,
            observers: Observers::none(),
        }
    }
}

impl TestKitBuilder {
    /// The name of the kit's queue. Default `test`.
    pub fn queue(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The configuration of every queue of the kit. `retain_done` has no effect: the kit keeps what has ended.
    pub fn config(mut self, config: QueueConfig) -> Self {
        self.config = config;
        self
    }

    /// How long a delivery is its holder's own. Default 30 s.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.config.lease = lease;
        self
    }

    /// The most messages scheduled, ready and leased together. Default 10,000.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.config.capacity = capacity;
        self
    }

    /// The seed of all randomness: ids and the jitter of retries. Default 1.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds an observer of the application's, as its connector would: one that adds headers, or counts.
    pub fn observe(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = self.observers.with(observer);
        self
    }

    /// Makes the kit.
    ///
    /// # Panics
    /// Where the clock of the runtime is not paused, and for a bad name or configuration; the text says what to do.
    #[track_caller]
    pub fn build(self) -> TestKit {
        paused::require();
        let stand = Stand::new(self.seed, &self.observers);
        TestKit::with(stand, self)
    }
}
