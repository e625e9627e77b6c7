use parking_lot::Mutex;
use tokio::task::AbortHandle;

/// The workers that were started, so that they can crash.
#[derive(Default)]
pub(crate) struct Workers(Mutex<Vec<Started>>);

struct Started {
    task: AbortHandle,
    queues: String,
}

impl Workers {
    /// Notes a worker, with its debug text, which names queues and kinds.
    pub(crate) fn add(&self, task: AbortHandle, queues: String) {
        self.0.lock().push(Started { task, queues });
    }

    /// Drops all of them: nothing is given back.
    pub(crate) fn crash(&self) {
        for worker in self.0.lock().drain(..) {
            worker.task.abort();
        }
    }

    /// Those that run, as a text.
    pub(crate) fn describe(&self) -> String {
        let workers = self.0.lock();
        let running: Vec<_> = workers
            .iter()
            .filter(|worker| !worker.task.is_finished())
            .map(|worker| worker.queues.as_str())
            .collect();
        if running.is_empty() {
            return "no worker runs: start one with `kit.run(|worker| worker.handle(…))`"
                .to_owned();
        }
        format!("running: {}", running.join(", "))
    }
}
