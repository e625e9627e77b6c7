//! Random operations on a backend, compared with the engine as the model.
//!
//! Operations are made up by chance, step by step, from the state that the engine is in; then the engine and the backend do
//! the same. Every answer is compared, and after each step everything that can be seen. What differs is reduced
//! to a few operations that still show it.
//!
//! Time passes in whole steps, and every span ends between two of them, so a backend that is a little late is not wrong.
//! Where the semantics leave a choice, whom to hand out next above all, the engine follows the backend, and it is judged whether
//! the choice was its own. What a backend does not declare is not asked for here; that it is refused, the suite says.

mod answer;
mod bounds;
#[cfg(test)]
mod coverage;
mod generation;
mod judge;
mod names;
mod operation;
mod player;
mod reduction;
mod reference;
mod rules;
mod settings;
mod side;
mod store;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::test_runner::{
    Config, FailurePersistence, FileFailurePersistence, RngSeed, TestCaseError, TestError,
    TestRunner,
};
use proptest_state_machine::Sequential;

use crate::Harness;

use bounds::Bounds;
use operation::Operation;
use player::Player;
use reduction::Failing;
use reference::Reference;
use rules::Rules;
use store::Store;

pub use settings::ModelSettings;

/// A backend does not do what the engine does.
#[derive(Clone, Debug)]
pub struct ModelFailure {
    /// What differs.
    pub difference: String,
    /// The fewest operations found that show it; empty where it did not come so far.
    pub operations: Vec<String>,
}

impl fmt::Display for ModelFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the queue does not do what the model does:")?;
        writeln!(f, "{}", self.difference)?;
        for (number, operation) in (1..).zip(&self.operations) {
            writeln!(f, "{number:>4}. {operation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ModelFailure {}

/// Compares a backend with the engine. `harness` is called once for each sequence, outside of any runtime.
///
/// # Panics
/// With the [`ModelFailure`].
pub fn run<H: Harness>(settings: ModelSettings, harness: impl Fn() -> H) {
    if let Err(failure) = try_run(settings, harness) {
        panic!("{failure}");
    }
}

/// As [`run`], and answers instead of panicking.
///
/// # Errors
/// A [`ModelFailure`].
pub fn try_run<H: Harness>(
    settings: ModelSettings,
    harness: impl Fn() -> H,
) -> Result<(), ModelFailure> {
    let rules = {
        let (_runtime, case) = store::connect(harness());
        Rules::new(&settings, case.capabilities(), case.timing())
    };
    let strategy = Sequential::new(
        (settings.steps..=settings.steps).into(),
        move || generation::begin(rules),
        |player: &Player<Reference>, operation: &Operation| player.can(operation),
        generation::operation,
        Player::after,
    );
    let mut runner = TestRunner::new(config(settings));
    let outcome = runner.run(&strategy, |(reference, operations, seen)| {
        compare(harness(), rules, reference, &operations, seen.as_deref())
    });
    let (reason, begin, operations) = match outcome {
        Ok(()) => return Ok(()),
        Err(TestError::Fail(reason, (begin, operations, _))) => (reason, begin, operations),
        Err(TestError::Abort(reason)) => {
            return Err(ModelFailure {
                difference: reason.to_string(),
                operations: Vec::new(),
            });
        }
    };
    let failing = Failing {
        difference: reason.to_string(),
        operations,
    };
    let failing = failing.reduced(&begin, LONGEST_REDUCTION, |operations| {
        match compare(harness(), rules, begin.clone(), operations, None) {
            Err(TestCaseError::Fail(reason)) => Some(reason.to_string()),
            _ => None,
        }
    });
    let operations = failing.operations.iter().map(|o| format!("{o:?}"));
    Err(ModelFailure {
        difference: failing.difference,
        operations: std::iter::once(format!("Create({begin:?})"))
            .chain(operations)
            .collect(),
    })
}

/// On the clock of a machine each try takes seconds: after five minutes, and as many for the last step, a failure is told as
/// it is.
const LONGEST_REDUCTION: Duration = Duration::from_mins(5);

fn config(settings: ModelSettings) -> Config {
    let default = Config::default();
    let cases = settings.cases.unwrap_or(default.cases);
    let file = settings.regressions.map(FileFailurePersistence::Direct);
    Config {
        cases,
        // A case that a machine was too slow for counts as rejected.
        max_global_rejects: 4 * cases + 16,
        max_shrink_iters: 10_000,
        max_shrink_time: u32::try_from(LONGEST_REDUCTION.as_millis()).unwrap_or(u32::MAX),
        failure_persistence: file.map(|file| Box::new(file) as Box<dyn FailurePersistence>),
        rng_seed: settings.seed.map_or(RngSeed::Random, RngSeed::Fixed),
        ..default
    }
}

/// One sequence on a new queue. `seen` counts the operations for the one who shortens them.
fn compare<H: Harness>(
    harness: H,
    rules: Rules,
    mut reference: Player<Reference>,
    operations: &[Operation],
    seen: Option<&AtomicUsize>,
) -> Result<(), TestCaseError> {
    let config = reference.config().clone();
    let store = Store::begin(harness, rules, &config);
    let store = store.map_err(|refused| TestCaseError::fail(format!("{refused:?}")))?;
    let mut store = Player::new(store, rules, config);
    let mut bounds = Bounds::default();
    let mut verdict = Ok(());
    for operation in operations {
        if let Some(seen) = seen {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        verdict = judge::step(&mut reference, &mut store, &mut bounds, operation);
        if verdict.is_err() || store.side.is_late() {
            break;
        }
    }
    let late = store.side.is_late();
    let age = store.side.age();
    store.side.end();
    match verdict {
        _ if late => Err(TestCaseError::reject("the machine was too slow")),
        Ok(()) => Ok(()),
        Err(difference) => Err(TestCaseError::fail(format!(
            "{difference}\n{age:?} after the queue was made"
        ))),
    }
}

/// Compares a backend with the engine under random operations: one test.
///
/// Takes an expression that makes a [`Harness`], and any fields of [`ModelSettings`]. What fails is kept in
/// `proptest-regressions/model.txt` beside the crate's `Cargo.toml` and tried first from then on: commit that file.
///
/// ```
/// use std::sync::Arc;
/// use forebay_queue_conformance::{InProcess, Timing};
/// # use forebay_queue_core::Environment;
/// # use forebay_queue_memory::MemoryBackend;
///
/// forebay_queue_conformance::model!(
///     InProcess::new(Timing::PAUSED, || Arc::new(MemoryBackend::new(Environment::seeded(1)))),
///     cases = Some(32),
///     steps = 30,
/// );
/// ```
#[macro_export]
macro_rules! model {
    ($harness:expr $(, $field:ident = $value:expr)* $(,)?) => {
        #[test]
        fn the_queue_does_what_the_model_does() {
            let settings = $crate::model::ModelSettings {
                $($field: $value,)*
                regressions: Some(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/proptest-regressions/model.txt"
                )),
                ..$crate::model::ModelSettings::default()
            };
            $crate::model::run(settings, || $harness);
        }
    };
}
