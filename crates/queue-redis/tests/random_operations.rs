//! Random operations on a real server, compared with the engine: the model follows the queue where it has a choice.

mod server;

use std::thread;
use std::time::Duration;

use forebay_queue_conformance::Timing;
use forebay_queue_conformance::model::{ModelSettings, run};

use server::Private;

/// Long steps: within a third of one comes all that happens at it, and after each operation a few dozen calls look at
/// everything that can be seen.
const TIMING: Timing = Timing {
    delay: Duration::from_secs(3),
    ..Timing::NETWORK
};

/// Nearly all of it is waiting, so many sequences run at a time.
const AT_ONCE: u32 = 32;
const CASES: u32 = 32;

#[test]
fn the_queue_does_what_the_model_does() {
    let settings = ModelSettings {
        cases: Some(CASES / AT_ONCE),
        steps: 30,
        exact: false,
        ..ModelSettings::default()
    };
    let kept = ModelSettings {
        regressions: Some(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/proptest-regressions/model.txt"
        )),
        ..settings
    };
    if Private::forgetful(TIMING).is_none() {
        return;
    }
    let server = || Private::forgetful(TIMING).expect("it was there a moment ago");
    thread::scope(|scope| {
        // What has failed before is run once.
        scope.spawn(|| run(kept, server));
        for _ in 1..AT_ONCE {
            scope.spawn(|| run(settings, server));
        }
    });
}
