/// How much a run of the model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelSettings {
    /// How many sequences of operations: without a number as many as proptest runs, which is 256 or what the variable
    /// `PROPTEST_CASES` says. With zero, only what has failed before is run.
    pub cases: Option<u32>,
    /// How many operations in each.
    pub steps: usize,
    /// Whether the backend is the engine itself behind a shell.
    ///
    /// Then more is compared than is promised: who is handed out next to the last message, the order of every listing, and
    /// what happens at the very moment at which something is due. Otherwise the model follows the store where the
    /// semantics leave it a choice, and looks only between the moments at which something is due.
    pub exact: bool,
    /// Always the same sequences; without it, other ones in each run.
    pub seed: Option<u64>,
    /// The file that keeps the seeds of failures: they are run first, and a new failure is added.
    pub regressions: Option<&'static str>,
}

impl Default for ModelSettings {
    /// 50 operations in each sequence.
    fn default() -> Self {
        Self {
            cases: None,
            steps: 50,
            exact: false,
            seed: None,
            regressions: None,
        }
    }
}
