use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::Timing;

/// A call in a task of its own, begun before the case goes on. Dropping it drops the call.
pub struct Waiting<T> {
    task: JoinHandle<(T, Duration)>,
    limit: Duration,
}

impl<T: Send + 'static> Waiting<T> {
    /// Begins a call and gives it a moment to reach the store.
    pub(crate) async fn begin(
        timing: Timing,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let (polled, begun) = oneshot::channel();
        let task = tokio::spawn(async move {
            let start = Instant::now();
            let mut polled = Some(polled);
            let mut call = pin!(call);
            let answer = poll_fn(|context| {
                let answer = call.as_mut().poll(context);
                if let Some(polled) = polled.take() {
                    // The case has gone on without the answer only if it has ended.
                    let _ = polled.send(());
                }
                answer
            });
            (answer.await, start.elapsed())
        });
        begun.await.expect("the call was begun without a panic");
        tokio::time::sleep(timing.moment()).await;
        Self {
            task,
            limit: timing.limit,
        }
    }

    /// Whether it has its answer.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Its answer, which must come within the limit.
    ///
    /// # Panics
    /// As [`Waiting::timed`].
    pub async fn answer(self) -> T {
        self.timed().await.0
    }

    /// Its answer, and how long the whole call took.
    ///
    /// # Panics
    /// When there is none within the limit, or the call panicked.
    pub async fn timed(mut self) -> (T, Duration) {
        let ended = timeout(self.limit, &mut self.task).await;
        let Ok(ended) = ended else {
            panic!("a waiting call has no answer after {:?}", self.limit);
        };
        ended.expect("the call does not panic")
    }
}

impl<T> Waiting<T> {
    /// Drops the call, wherever it is; answers only after it is gone.
    pub async fn drop_it(mut self) {
        self.task.abort();
        // Its end, whichever it was, is not of interest.
        let _ = (&mut self.task).await;
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
