use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue_core::{Delivery, ProcessOutcome};
use forebay_worker::{Failure, Job, JobService, Outcome};
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::{Layer, Service};

use crate::fixture::{Fixture, Number, Started, quick};

/// Counts what passes, and what of it failed.
#[derive(Clone, Default)]
struct Counting {
    calls: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Counted {
    inner: JobService,
    counting: Counting,
}

impl Layer<JobService> for Counting {
    type Service = Counted;

    fn layer(&self, inner: JobService) -> Counted {
        Counted {
            inner,
            counting: self.clone(),
        }
    }
}

impl Service<Job> for Counted {
    type Response = Outcome;
    type Error = forebay_queue_core::BoxError;
    type Future = forebay_worker::JobFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, job: Job) -> Self::Future {
        self.counting.calls.fetch_add(1, Ordering::SeqCst);
        let delivery: &Delivery = job.as_ref();
        let bytes = delivery.message.payload().len();
        self.counting.bytes.fetch_add(bytes, Ordering::SeqCst);
        self.inner.call(job)
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_every_job_and_a_failure_passes_through_it() {
    let fixture = Fixture::new().await;
    fixture.publish_many(10).await;
    let counting = Counting::default();
    let rejecting = async |task: Number| match task.number {
        3 => Err(Failure::reject("three")),
        _ => Ok(()),
    };
    // Added before the handler: it wraps it all the same.
    let worker = fixture.worker().layer(counting.clone()).handle(rejecting);
    let worker = Started::new(worker);
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(counting.calls.load(Ordering::SeqCst), 10);
    assert_eq!(
        counting.bytes.load(Ordering::SeqCst),
        10 * r#"{"number":0}"#.len()
    );
    assert_eq!(fixture.recorder.count(ProcessOutcome::Reject), 1);
    assert_eq!(&*fixture.dead_letters().await[0].errors[0].error, "three");
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_tower_is_a_failed_attempt() {
    let fixture = Fixture::new().await;
    fixture.publish(1).await;
    let worker = fixture
        .worker()
        .retry(quick().max_attempts(3))
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .handle(async |_: Number| std::future::pending::<()>().await);
    let worker = Started::new(worker);
    fixture.until("it is dead", |s| s.dead == 1).await;
    worker.stop().await;
    let dead = &fixture.dead_letters().await[0];
    assert_eq!(dead.attempt, 3);
    let text = &dead.errors[0].error;
    assert!(text.contains("timed out"), "{text}");
    for processed in fixture.recorder.processed() {
        assert_eq!(processed.elapsed.unwrap().as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_not_ready_holds_jobs_back() {
    let fixture = Fixture::new().await;
    fixture.publish_many(10).await;
    let running = Arc::<AtomicUsize>::default();
    let alone = {
        let running = Arc::clone(&running);
        move |_: Number| {
            let running = Arc::clone(&running);
            async move {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                tokio::time::sleep(Duration::from_secs(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
            }
        }
    };
    let worker = fixture
        .worker()
        .layer(ConcurrencyLimitLayer::new(1))
        .handle(alone);
    let worker = Started::new(worker);
    fixture.until_empty().await;
    worker.stop().await;
    assert_eq!(fixture.recorder.count(ProcessOutcome::Done), 10);
}
