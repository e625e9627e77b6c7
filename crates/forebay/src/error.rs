use std::fmt;

/// What can go wrong between a program and its queue: the one error of `main`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The queue, its backend or its settings.
    #[error(transparent)]
    Queue(#[from] forebay_queue_core::Error),
    /// The worker, before it ran.
    #[error(transparent)]
    Worker(#[from] forebay_worker::WorkerError),
}

impl Error {
    /// Whether the same call can succeed later without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Queue(error) => error.is_retryable(),
            Self::Worker(_) => false,
        }
    }
}

impl fmt::Debug for Error {
    /// The text with its sources: what a `main` that returns this prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
