use std::path::Path;

use anyhow::{Result, bail};
use async_trait::async_trait;

use crate::bare_channel::BareChannel;
#[cfg(any(feature = "sqlite", feature = "rocksdb"))]
use crate::bare_store::BareStore;
use crate::clock::Took;
use crate::load::Load;
use crate::mode::Mode;
use crate::subject::Subject;

/// A [`Subject`] of any type: one side of a comparison.
#[async_trait]
pub trait Side: Send + Sync {
    /// Its name in the output.
    fn name(&self) -> &'static str;

    /// As [`Mode::round`].
    ///
    /// # Errors
    /// As [`Mode::round`].
    async fn round(&self, mode: Mode, load: &'static Load) -> Result<Took>;
}

#[async_trait]
impl<S: Subject> Side for S {
    fn name(&self) -> &'static str {
        Subject::name(self)
    }

    async fn round(&self, mode: Mode, load: &'static Load) -> Result<Took> {
        mode.round(self, load).await
    }
}

/// The bare ceiling of a backend: the same work on the store itself, without forebay. A backend on a disk has a folder in
/// which each round makes a directory, and what is on the disk when a call is answered, as `QUEUE_SYNC` says it.
///
/// # Errors
/// When there is none for this backend in this build.
pub fn baseline(backend: &str, disk: Option<(&Path, &str)>) -> Result<Box<dyn Side>> {
    Ok(match (backend, disk) {
        ("memory", _) => Box::new(BareChannel),
        #[cfg(feature = "sqlite")]
        ("sqlite", Some((folder, sync))) => Box::new(BareStore::sqlite(folder, sync)),
        #[cfg(feature = "rocksdb")]
        ("rocksdb", Some((folder, sync))) => Box::new(BareStore::rocksdb(folder, sync)),
        ("sqlite" | "rocksdb", _) => {
            bail!("--baseline: the feature {backend:?} adds the one for {backend}")
        }
        // The client has one home in the house, and this is not it.
        ("redis", _) => {
            bail!("--baseline: `cargo xtask bench peers` measures redis beside the bare client")
        }
        _ => bail!(
            "--baseline: there is none for {backend}; there is one for: memory, sqlite, rocksdb"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_without_a_baseline_is_told_which_have_one() {
        let memory = baseline("memory", None).unwrap();
        assert_eq!(memory.name(), "bare-async-channel");
        let of = |backend| baseline(backend, None).err().unwrap().to_string();
        let error = of("postgres");
        assert!(
            error.contains("none for postgres") && error.contains("memory"),
            "{error}"
        );
        assert!(of("redis").contains("bench peers"), "{}", of("redis"));
    }
}
