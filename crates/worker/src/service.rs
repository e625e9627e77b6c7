use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use forebay_queue_core::BoxError;
use tower_service::Service;

use crate::{Job, Outcome};

/// The answer of a [`JobService`], under way.
pub type JobFuture = Pin<Box<dyn Future<Output = Result<Outcome, BoxError>> + Send>>;

/// A handler with its layers: the service that a `tower` layer wraps.
///
/// It answers how the handler ended. A failure is an error: a [`FailureError`](crate::FailureError) from a handler,
/// or whatever a layer makes, which is a failed attempt.
pub struct JobService(Box<dyn CloneService>);

impl JobService {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Job, Response = Outcome> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self(Box::new(Layered(service)))
    }

    /// A service from a function whose future is boxed already, so that it is boxed once.
    pub(crate) fn from_fn(call: impl Fn(Job) -> JobFuture + Clone + Send + 'static) -> Self {
        Self(Box::new(Function(call)))
    }
}

impl Clone for JobService {
    fn clone(&self) -> Self {
        Self(self.0.clone_box())
    }
}

impl fmt::Debug for JobService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobService")
    }
}

impl Service<Job> for JobService {
    type Response = Outcome;
    type Error = BoxError;
    type Future = JobFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, job: Job) -> JobFuture {
        self.0.call(job)
    }
}

trait CloneService: Send {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>>;
    fn call(&mut self, job: Job) -> JobFuture;
    fn clone_box(&self) -> Box<dyn CloneService>;
}

#[derive(Clone)]
struct Function<F>(F);

impl<F: Fn(Job) -> JobFuture + Clone + Send + 'static> CloneService for Function<F> {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, job: Job) -> JobFuture {
        (self.0)(job)
    }

    fn clone_box(&self) -> Box<dyn CloneService> {
        Box::new(self.clone())
    }
}

#[derive(Clone)]
struct Layered<S>(S);

impl<S> CloneService for Layered<S>
where
    S: Service<Job, Response = Outcome> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, job: Job) -> JobFuture {
        let future = self.0.call(job);
        Box::pin(async move { future.await.map_err(Into::into) })
    }

    fn clone_box(&self) -> Box<dyn CloneService> {
        Box::new(self.clone())
    }
}
