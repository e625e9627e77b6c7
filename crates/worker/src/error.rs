use forebay_queue_core::Error;

/// Why a worker could not start. Once it runs, nothing but its shutdown ends it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The queue refused.
    #[error(transparent)]
    Queue(#[from] Error),
    /// A handler asks for a state that the worker was not given.
    #[error(
        "the handler of {kind:?} needs State<{state}>, which the worker was not given; add .state(…)"
    )]
    MissingState {
        /// The kind of the handler.
        kind: String,
        /// The type of the state.
        state: &'static str,
    },
    /// Two handlers for one kind.
    #[error("two handlers take the kind {kind:?}; a kind has one handler")]
    DuplicateKind {
        /// The kind.
        kind: String,
    },
    /// A kind that is no name.
    #[error("{kind:?} is no kind; allowed: 1 to 100 of a-z, 0-9, '.', '_' and '-'")]
    InvalidKind {
        /// The kind, cut to 40 characters.
        kind: String,
    },
    /// Nothing to do.
    #[error("the worker has no handler; add .handle(…)")]
    NoHandler,
    /// A setting out of bounds.
    #[error("{setting} is {value}; allowed: {allowed}")]
    InvalidSetting {
        /// Which.
        setting: &'static str,
        /// What it was.
        value: usize,
        /// What is allowed.
        allowed: &'static str,
    },
}

impl WorkerError {
    /// Whether the same start can succeed later without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Queue(error) => error.is_retryable(),
            _ => false,
        }
    }
}
