//! Who runs beside whom.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static TURN: RwLock<()> = RwLock::const_new(());

/// For a test that measures time, or that loads the machine so that another one could not.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().await
}

/// For every other test.
pub(crate) async fn together() -> RwLockReadGuard<'static, ()> {
    TURN.read().await
}
