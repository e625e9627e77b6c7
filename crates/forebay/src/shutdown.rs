use std::io;

/// Waits until the process is asked to stop: SIGTERM or Ctrl-C.
///
/// From the first call on, these signals no longer end the process by themselves.
///
/// # Errors
/// When the operating system refuses to listen for signals.
#[cfg(unix)]
pub async fn shutdown_requested() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        result = tokio::signal::ctrl_c() => result,
    }
}

/// Waits until the process is asked to stop: Ctrl-C.
///
/// # Errors
/// When the operating system refuses to listen for it.
#[cfg(not(unix))]
pub async fn shutdown_requested() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// The same for [`Worker::run_until`](crate::Worker::run_until): where signals cannot be listened for, it says so in the
/// log and waits for ever.
pub async fn shutdown_signal() {
    if let Err(error) = shutdown_requested().await {
        tracing::error!(%error, "cannot listen for signals");
        std::future::pending::<()>().await;
    }
}
