use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_conformance::{Harness, Timing, try_run};
use forebay_queue_core::Backend;
use forebay_queue_memory::MemoryBackend;
use parking_lot::Mutex;

use crate::mutation::{Mutant, Mutation, memory};

/// A store that outlives its restarts, with a mutation around each connection: the memory queue, kept.
pub(crate) struct Durable<M> {
    store: Arc<MemoryBackend>,
    connect: fn() -> M,
    connections: Mutex<Vec<Arc<M>>>,
}

impl<M: Mutation> Durable<M> {
    pub(crate) fn new(connect: fn() -> M) -> Self {
        Self {
            store: memory(),
            connect,
            connections: Mutex::default(),
        }
    }
}

#[async_trait]
impl<M: Mutation> Harness for Durable<M> {
    async fn connect(&self) -> Arc<dyn Backend> {
        let mutation = Arc::new((self.connect)());
        self.connections.lock().push(Arc::clone(&mutation));
        Arc::new(Mutant::around(Arc::clone(&self.store), mutation))
    }

    async fn restart(&self) {
        let connections = std::mem::take(&mut *self.connections.lock());
        for mutation in connections {
            mutation.restarted(&*self.store).await;
        }
    }

    fn timing(&self) -> Timing {
        Timing::PAUSED
    }
}

/// Asserts that a case fails when a mutation is around a store that outlives its restarts. That the case passes
/// without one is the affair of [`honest`](crate::honest).
pub(crate) fn assert_caught_after_restart<M: Mutation>(name: &str, mutation: fn() -> M) {
    assert!(
        try_run("restart", name, || Durable::new(mutation)).is_err(),
        "restart::{name} does not catch the mutation"
    );
}
