use tokio::runtime::Handle;
use tokio::time::Instant;

/// Whether the clock of this runtime stands still.
///
/// Tokio does not tell, so both clocks are read: while the machine's moves on, a paused one does not.
fn is_paused() -> bool {
    let virtual_start = Instant::now();
    let start = std::time::Instant::now();
    while std::time::Instant::now() == start {
        std::hint::spin_loop();
    }
    Instant::now() == virtual_start
}

/// # Panics
/// Outside a tokio runtime, and where its clock runs.
#[track_caller]
pub(crate) fn require() {
    assert!(
        Handle::try_current().is_ok(),
        "a test kit works inside a tokio runtime: write `#[tokio::test(start_paused = true)]` above an `async fn`"
    );
    assert!(
        is_paused(),
        "a test kit needs the clock of the runtime paused: write `#[tokio::test(start_paused = true)]` (tokio's feature \
         `test-util`), or `Builder::new_current_thread().enable_all().start_paused(true)` where you build the runtime \
         yourself; a handler by itself can be tested without, with `perform`"
    );
}
