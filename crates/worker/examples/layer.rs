//! Any `tower` layer wraps the handlers: a time limit of tower's, and a layer of one's own that reads a header.

mod memory;

use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue_core::BoxError;
use forebay_worker::{
    Failure, Job, JobFuture, JobService, Outcome, RetryPolicy, State, Task, Worker, WorkerError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tower::timeout::TimeoutLayer;
use tower::{Service, layer::layer_fn};

#[derive(Serialize, Deserialize)]
struct Fetch {
    seconds: u64,
}

impl Task for Fetch {
    const KIND: &'static str = "fetch";
}

async fn fetch(task: Fetch, State(done): State<mpsc::UnboundedSender<u64>>) -> Result<(), Failure> {
    tokio::time::sleep(Duration::from_secs(task.seconds)).await;
    done.send(task.seconds)?;
    Ok(())
}

/// Prints what it passes on.
#[derive(Clone)]
struct Announce(JobService);

impl Service<Job> for Announce {
    type Response = Outcome;
    type Error = BoxError;
    type Future = JobFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, job: Job) -> JobFuture {
        let tenant = job.message().headers().get("tenant").unwrap_or("nobody");
        println!("{} for {tenant}", job.message().kind());
        let answer = self.0.call(job);
        Box::pin(async move {
            let answer = answer.await;
            println!("  ended with {answer:?}");
            answer
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let queue = memory::queue("fetches").await?;
    let fetches = queue.producer();
    fetches
        .publish(Fetch { seconds: 3600 })
        .header("tenant", "ann")
        .await?;
    fetches
        .publish(Fetch { seconds: 0 })
        .header("tenant", "bob")
        .await?;

    let (done, mut ended) = mpsc::unbounded_channel::<u64>();
    Worker::new(queue.clone())
        .state(done)
        .handle(fetch)
        .retry(RetryPolicy::never())
        // The last one is the outermost: what runs into the limit is announced as well.
        .layer(TimeoutLayer::new(Duration::from_millis(100)))
        .layer(layer_fn(Announce))
        .run_until(async {
            assert_eq!(ended.recv().await, Some(0));
            while queue.management().stats().await.is_ok_and(|s| s.dead == 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
}
