use std::time::Duration;

use bytes::Bytes;
use forebay_queue_core::BoxError;

use crate::failure::FailureError;
use crate::{Failure, FromJob, IntoOutcome, Job, JobService, Requirements, RetryPolicy, Task};

/// An async function that does the work of one [`Task`].
///
/// Its first argument is the task; up to eight more are whatever implements [`FromJob`]: [`Meta`](crate::Meta),
/// [`State`](crate::State), [`Headers`](forebay_queue_core::Headers), [`Cancelled`](crate::Cancelled),
/// [`Shutdown`](crate::Shutdown). It returns `()` or `Result<(), Failure>`.
///
/// Implemented for functions; there is nothing to implement by hand. When the compiler says that a function is no
/// `Handler`, one of its arguments is not `FromJob`, or its future is not `Send`: a lock guard or an `Rc` is alive
/// across an `.await`.
pub trait Handler<Arguments>: Clone + Send + 'static {
    /// The kind that it takes.
    const KIND: &'static str;

    /// What its arguments need.
    fn requirements(needs: &mut Requirements);

    /// The service that runs it.
    fn into_service(self) -> JobService;
}

/// An async function that takes the payload of a kind as it is, as [`Bytes`], and up to eight further arguments.
pub trait RawHandler<Arguments>: Clone + Send + 'static {
    /// What its arguments need.
    fn requirements(needs: &mut Requirements);

    /// The service that runs it.
    fn into_service(self) -> JobService;
}

/// How one handler differs from the worker's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandlerOptions {
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) timeout: Option<Duration>,
}

impl HandlerOptions {
    /// As the worker's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A retry policy of its own.
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// A time limit of its own. Running into it is a failed attempt.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

/// Reads a task from its payload. What cannot be read never will be: it is rejected, and the reason names the place,
/// never the content.
fn decode<T: Task>(job: &Job) -> Result<T, BoxError> {
    serde_json::from_slice(job.message().payload()).map_err(|error| {
        let reason = format!(
            "the payload is no {}: {} at line {} column {}",
            T::KIND,
            category(&error),
            error.line(),
            error.column()
        );
        BoxError::from(FailureError(Failure::reject(reason)))
    })
}

fn category(error: &serde_json::Error) -> &'static str {
    use serde_json::error::Category;
    match error.classify() {
        Category::Io => "input error",
        Category::Syntax => "syntax error",
        Category::Data => "data error",
        Category::Eof => "unexpected end",
    }
}

fn extract<E: FromJob>(job: &Job) -> Result<E, BoxError> {
    E::from_job(job).map_err(|failure| BoxError::from(FailureError(failure)))
}

macro_rules! handlers {
    ($($extractor:ident),*) => {
        #[allow(non_snake_case, reason = "one name for a type and its value in the macro")]
        #[allow(unused_variables, reason = "without extractors the job is only dropped")]
        const _: () = {
            impl<F, Fut, Out, T, $($extractor,)*> Handler<(T, $($extractor,)*)> for F
            where
                F: Fn(T, $($extractor,)*) -> Fut + Clone + Send + Sync + 'static,
                Fut: Future<Output = Out> + Send + 'static,
                Out: IntoOutcome,
                T: Task,
                $($extractor: FromJob + 'static,)*
            {
                const KIND: &'static str = T::KIND;

                fn requirements(needs: &mut Requirements) {
                    $($extractor::requirements(needs);)*
                }

                fn into_service(self) -> JobService {
                    JobService::from_fn(move |job| {
                        let handler = self.clone();
                        Box::pin(async move {
                            let task = decode::<T>(&job)?;
                            $(let $extractor = extract::<$extractor>(&job)?;)*
                            // The job stays alive until the handler has ended.
                            let outcome = handler(task, $($extractor,)*).await.into_outcome();
                            drop(job);
                            outcome
                        })
                    })
                }
            }

            impl<F, Fut, Out, $($extractor,)*> RawHandler<(Bytes, $($extractor,)*)> for F
            where
                F: Fn(Bytes, $($extractor,)*) -> Fut + Clone + Send + Sync + 'static,
                Fut: Future<Output = Out> + Send + 'static,
                Out: IntoOutcome,
                $($extractor: FromJob + 'static,)*
            {
                fn requirements(needs: &mut Requirements) {
                    $($extractor::requirements(needs);)*
                }

                fn into_service(self) -> JobService {
                    JobService::from_fn(move |job| {
                        let handler = self.clone();
                        Box::pin(async move {
                            let payload = job.message().payload().clone();
                            $(let $extractor = extract::<$extractor>(&job)?;)*
                            let outcome = handler(payload, $($extractor,)*).await.into_outcome();
                            drop(job);
                            outcome
                        })
                    })
                }
            }
        };
    };
}

handlers!();
handlers!(E1);
handlers!(E1, E2);
handlers!(E1, E2, E3);
handlers!(E1, E2, E3, E4);
handlers!(E1, E2, E3, E4, E5);
handlers!(E1, E2, E3, E4, E5, E6);
handlers!(E1, E2, E3, E4, E5, E6, E7);
handlers!(E1, E2, E3, E4, E5, E6, E7, E8);
