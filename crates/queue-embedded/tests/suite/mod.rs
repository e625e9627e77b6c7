//! Queues of the suite in directories of their own.

use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue_conformance::{Harness, Timing};
use forebay_queue_core::{Backend, Environment};
use forebay_queue_embedded::{Database, EmbeddedBackend, EmbeddedOptions};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// A store for one case.
pub(crate) struct Directory {
    options: EmbeddedOptions,
    backend: Mutex<Option<Arc<EmbeddedBackend>>>,
    timing: Timing,
    _kept: TempDir,
}

impl Directory {
    pub(crate) fn new(database: Database) -> Self {
        let directory = tempfile::tempdir().expect("a directory is made");
        Self {
            options: EmbeddedOptions::new(database, directory.path().join("queue")),
            backend: Mutex::new(None),
            timing: Timing::REAL,
            _kept: directory,
        }
    }

    /// The same with another timing.
    #[allow(dead_code, reason = "not every test that brings this module needs it")]
    pub(crate) fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }
}

#[async_trait]
impl Harness for Directory {
    async fn connect(&self) -> Arc<dyn Backend> {
        let mut backend = self.backend.lock().await;
        if let Some(backend) = &*backend {
            return Arc::clone(backend) as Arc<dyn Backend>;
        }
        let opened = EmbeddedBackend::open(self.options.clone(), Environment::system()).await;
        let opened = Arc::new(opened.expect("the store opens"));
        *backend = Some(Arc::clone(&opened));
        opened
    }

    async fn restart(&self) {
        let ended = self.backend.lock().await.take();
        if let Some(backend) = ended {
            backend.close().await.expect("the store is closed");
        }
    }

    fn timing(&self) -> Timing {
        self.timing
    }
}
