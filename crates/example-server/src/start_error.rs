//! Why a process did not start, or did not end well.

use std::io;
use std::net::SocketAddr;

use forebay::WorkerError;
use forebay::core::Error;

use crate::store::StoreError;

/// What ends a process early. The text is one line and shows no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting, or the queue: what is wrong, and why.
    #[error("{}", with_causes(.0))]
    Queue(#[from] Error),
    /// The database, where it has to be prepared before the start.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("HTTP_ADDR={address}: cannot listen there: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A worker of its own cannot see the queue of another process.
    #[error(
        "QUEUE_BACKEND={backend}: a {backend} queue cannot be shared between processes: allowed: a backend that is shared; or leave the work to the server with WORKER_ENABLED=true"
    )]
    NotShared {
        /// The backend.
        backend: &'static str,
    },
    /// The worker did not start.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The worker ended while it was needed.
    #[error("the worker ended by itself; this is a defect")]
    WorkerEnded,
    /// The runtime did not start.
    #[error("the runtime did not start: {0}")]
    Runtime(io::Error),
}

impl StartError {
    /// The exit code of the process: 2 for what a change of settings cures, 1 for the rest.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Queue(error) if !error.is_retryable() => 2,
            Self::Store(StoreError::Url(_)) | Self::NotShared { .. } => 2,
            Self::Worker(error) if !error.is_retryable() => 2,
            _ => 1,
        }
    }
}

/// A store says in its own error which directory it cannot use and what to do about it.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.replace('\n', " ")
}
