use std::fmt;

use forebay_worker::{Report, WorkerError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A worker at work. Dropping this lets it work on; it ends with the kit.
pub struct RunningWorker {
    stop: CancellationToken,
    task: JoinHandle<Result<Report, WorkerError>>,
}

impl RunningWorker {
    pub(crate) const fn new(
        stop: CancellationToken,
        task: JoinHandle<Result<Report, WorkerError>>,
    ) -> Self {
        Self { stop, task }
    }

    /// Shuts it down as its service would, and waits for that: what runs comes to its end, as far as the worker's
    /// shutdown limit allows. A worker that had crashed reports nothing.
    pub async fn stop(self) -> Report {
        self.stop.cancel();
        match self.task.await {
            Ok(Ok(report)) => report,
            // It crashed, or was stopped while the backend could not be reached.
            Ok(Err(_)) | Err(_) => Report::default(),
        }
    }

    /// Ends it as a crash of its process would: handlers are dropped where they wait, nothing is given back, and what it
    /// held comes back when the leases end.
    pub async fn crash(self) {
        self.task.abort();
        // Answers that it was cancelled, once everything is dropped.
        let _ = self.task.await;
        // Its parts are tasks too: they are dropped in the next turn of the runtime.
        tokio::task::yield_now().await;
    }

    /// Whether it has neither stopped nor crashed.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

impl fmt::Debug for RunningWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningWorker")
            .field("is_running", &self.is_running())
            .finish_non_exhaustive()
    }
}
