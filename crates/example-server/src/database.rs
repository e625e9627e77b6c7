//! The store of a service that starts whether or not its database is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay::Backoff;

use crate::store::{Store, StoreError, StoreOptions, UnavailableCause};

/// A [`Store`] that is handed out once its schema is up to date. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    store: Store,
    prepared: Arc<AtomicBool>,
}

/// The longest that a readiness check of the database may take.
const PING_TIMEOUT: Duration = Duration::from_millis(800);
/// Between two tries to migrate.
const MIGRATE_AGAIN: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(3));
/// How long one try to migrate may take: short, so that the next one meets a database that has come back.
const MIGRATE_TIMEOUT: Duration = Duration::from_secs(10);

impl Database {
    /// Prepares a handle without touching the database. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let options = StoreOptions {
            ping_timeout: PING_TIMEOUT,
            migrate_timeout: MIGRATE_TIMEOUT,
            ..StoreOptions::default()
        };
        Ok(Self {
            store: Store::open(url, options)?,
            prepared: Arc::default(),
        })
    }

    /// Brings the schema up to date, and empties or fills the tables if that is wanted.
    ///
    /// # Errors
    /// As [`Store::migrate`], [`Store::reset`] and [`Store::seed`].
    pub async fn prepare(&self, reset: bool, seed: bool) -> Result<(), StoreError> {
        self.store.migrate().await?;
        if reset {
            self.store.reset().await?;
            tracing::info!("the database was emptied");
        }
        if seed {
            let new = self.store.seed().await?;
            tracing::info!(new, "demonstration messages were written");
        }
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }

    /// Brings the schema up to date, however often that has to be tried.
    ///
    /// # Cancel safety
    /// Dropping the future stops trying; nothing is left half done.
    pub async fn prepare_until_it_works(&self) {
        let mut failures = 0_u32;
        while let Err(error) = self.prepare(false, false).await {
            failures += 1;
            if failures == 1 {
                tracing::warn!(%error, "the database is not ready; trying until it is");
            } else {
                tracing::debug!(%error, failures, "the database is not ready");
            }
            tokio::time::sleep(MIGRATE_AGAIN.ceiling(failures)).await;
        }
        tracing::info!("the database is ready");
    }

    /// The store, once its schema is up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] before that.
    pub fn store(&self) -> Result<&Store, StoreError> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(&self.store);
        }
        Err(StoreError::Unavailable {
            operation: "migrate",
            cause: UnavailableCause::NoConnection,
        })
    }

    /// Closes the connections, for at most this long.
    pub async fn close(&self, limit: Duration) {
        // What does not close in time is closed by the end of the process.
        let _ = tokio::time::timeout(limit, self.store.close()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_store_is_withheld_until_its_schema_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/messages.db", folder.path().display());
        let database = Database::open(&url).unwrap();
        assert!(database.store().unwrap_err().is_unavailable());
        database.prepare_until_it_works().await;
        assert!(
            !database
                .store()
                .unwrap()
                .has_message(uuid::Uuid::nil())
                .await
                .unwrap()
        );
        database.prepare(false, true).await.unwrap();
        let listed = database
            .store()
            .unwrap()
            .conversations(None, 9)
            .await
            .unwrap();
        assert!(!listed.items.is_empty());
        database.prepare(true, false).await.unwrap();
        let listed = database
            .store()
            .unwrap()
            .conversations(None, 9)
            .await
            .unwrap();
        assert!(listed.items.is_empty());
        database.close(Duration::from_secs(5)).await;
    }
}
