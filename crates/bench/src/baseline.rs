use anyhow::{Result, bail};
use async_trait::async_trait;

use crate::bare_channel::BareChannel;
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

/// The bare ceiling of a backend: the same work on the store itself, without forebay.
///
/// # Errors
/// When there is none for this backend.
pub fn baseline(backend: &str) -> Result<Box<dyn Side>> {
    Ok(match backend {
        "memory" => Box::new(BareChannel),
        // The client has one home in the house, and this is not it.
        "redis" => {
            bail!("--baseline: `cargo xtask bench peers` measures redis beside the bare client")
        }
        _ => bail!("--baseline: there is none for {backend}; there is one for: memory"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_without_a_baseline_is_told_which_have_one() {
        assert_eq!(baseline("memory").unwrap().name(), "bare-async-channel");
        let of = |backend| baseline(backend).err().unwrap().to_string();
        let error = of("postgres");
        assert!(
            error.contains("none for postgres") && error.contains("memory"),
            "{error}"
        );
        assert!(of("redis").contains("bench peers"), "{}", of("redis"));
    }
}
