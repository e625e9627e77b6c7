use std::future::poll_fn;
use std::task::Poll;

/// Lets the tasks that are ready on this thread go first, once.
///
/// Tokio's `yield_now` also lets the thread look for I/O and timers, which is a call to the kernel; that is too much for what
/// happens every few dozen messages.
pub(crate) async fn pass_turn() {
    let mut passed = false;
    poll_fn(|context| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
