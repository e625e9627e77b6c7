use std::sync::Arc;

use crate::{
    Clock, IdGenerator, MessageId, Random, SeededRandom, SystemClock, SystemRandom, Timestamp,
};

/// What a queue takes from outside: time, randomness, and message ids made of both.
///
/// Cheap to clone; clones share the id generator, so ids stay monotonic within a process.
#[derive(Clone, Debug)]
pub struct Environment {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    ids: Arc<IdGenerator>,
}

impl Environment {
    /// The machine's clock and randomness.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock::new()), Arc::new(SystemRandom))
    }

    /// The runtime's clock with randomness from a seed: the same seed, the same run.
    pub fn seeded(seed: u64) -> Self {
        Self::new(
            Arc::new(SystemClock::new()),
            Arc::new(SeededRandom::new(seed)),
        )
    }

    /// A clock and randomness of one's own.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            clock,
            random,
            ids: Arc::new(IdGenerator::new()),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The randomness.
    pub fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// The next message id.
    pub fn next_id(&self) -> MessageId {
        self.ids.next(self.clock.now(), &*self.random)
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::system()
    }
}
