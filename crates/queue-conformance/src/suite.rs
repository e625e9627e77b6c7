use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::{Case, Harness, cases};

/// One promise put to the test.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The group it belongs to.
    pub group: &'static str,
    /// What is promised, as a name.
    pub name: &'static str,
    run: fn(Case) -> Pin<Box<dyn Future<Output = ()>>>,
}

macro_rules! table {
    (() $($group:ident { $($name:ident)* })*) => {
        /// Every case of the suite, group by group.
        pub const ENTRIES: &[Entry] = &[$($(Entry {
            group: stringify!($group),
            name: stringify!($name),
            run: |case| Box::pin(cases::$group::$name(case)),
        }),*),*];
    };
}

crate::__cases! { [table] () }

/// Runs one case. What is not kept, panics with what was expected.
///
/// # Panics
/// When the promise is broken, when the case takes longer than ten times the [limit](crate::Timing::limit), or when there
/// is no such case.
pub fn run<H: Harness>(group: &str, name: &str, harness: impl FnOnce() -> H) {
    if let Err(panic) = try_run(group, name, harness) {
        resume_unwind(panic);
    }
}

/// Runs one case and answers whether the promise was kept; a broken one answers what its panic carried.
///
/// # Errors
/// What the case panicked with.
///
/// # Panics
/// When there is no such case.
pub fn try_run<H: Harness>(
    group: &str,
    name: &str,
    harness: impl FnOnce() -> H,
) -> Result<(), Box<dyn Any + Send>> {
    let entry = ENTRIES
        .iter()
        .find(|entry| entry.group == group && entry.name == name);
    let entry = entry.unwrap_or_else(|| panic!("the suite has no case {group}::{name}"));
    let harness = Arc::new(harness());
    let timing = harness.timing();
    catch_unwind(AssertUnwindSafe(|| {
        let runtime = runtime(timing.paused);
        runtime.block_on(async {
            // The harness outlives the case: it may be all that keeps the store running.
            let case = Case::new(harness.clone());
            let body = async { (entry.run)(case.await).await };
            let ended = tokio::time::timeout(timing.limit * 10, body).await;
            assert!(ended.is_ok(), "the case does not come to an end");
        });
        // A store that keeps threads busy must not keep the suite from going on.
        runtime.shutdown_timeout(Duration::from_secs(5));
    }))
}

pub(crate) fn runtime(paused: bool) -> Runtime {
    let mut builder = if paused {
        let mut builder = Builder::new_current_thread();
        builder.start_paused(true);
        builder
    } else {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2);
        builder
    };
    let built = builder.enable_all().build();
    built.expect("the machine gives threads for a runtime")
}

/// Puts every case of the suite to a backend: one test for each, with paths under `conformance::`.
///
/// Takes an expression that makes a [`Harness`]; it is evaluated once for each case, outside of any runtime.
///
/// ```
/// use std::sync::Arc;
/// use forebay_queue_conformance::{InProcess, Timing};
/// # use forebay_queue_core::Environment;
/// # use forebay_queue_memory::MemoryBackend;
///
/// forebay_queue_conformance::suite!(InProcess::new(Timing::PAUSED, || {
///     Arc::new(MemoryBackend::new(Environment::system()))
/// }));
/// ```
#[macro_export]
macro_rules! suite {
    ($harness:expr) => {
        $crate::__cases! { [$crate::__tests] ($harness) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    (($harness:expr) $($group:ident { $($name:ident)* })*) => {
        mod conformance {
            $(mod $group {
                #[allow(unused_imports, reason = "the harness may name what its file imports")]
                use super::super::*;
                $(#[test]
                fn $name() {
                    $crate::run(stringify!($group), stringify!($name), || $harness);
                })*
            })*
        }
    };
}
