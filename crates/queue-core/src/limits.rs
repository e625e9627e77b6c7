use crate::{Error, Headers, NewMessage};

/// How much fits. The defaults are the house's; a backend may declare others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of one payload. Default 256 KiB.
    pub payload: usize,
    /// The most messages, receipts or nacks in one call. Default 256.
    pub batch: usize,
    /// The most bytes of one batch: payloads, headers and kinds. Default 4 MiB.
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// The house's limits.
    pub const DEFAULT: Self = Self {
        payload: 256 * 1024,
        batch: 256,
        batch_bytes: 4 * 1024 * 1024,
    };

    /// Whether a batch of this many items may be asked for.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over the limit.
    pub fn check_batch(&self, what: &'static str, size: usize) -> Result<(), Error> {
        fits(what, size, self.batch)
    }

    /// Whether these messages fit, one by one and together.
    ///
    /// # Errors
    /// [`Error::TooLarge`] naming the first thing that does not fit; [`Error::Invalid`] for what contradicts itself.
    pub fn check_messages(&self, messages: &[NewMessage]) -> Result<(), Error> {
        self.check_batch("messages in one publish", messages.len())?;
        let mut bytes = 0;
        for message in messages {
            message.check()?;
            fits("payload in bytes", message.payload().len(), self.payload)?;
            fits(
                "headers in bytes",
                message.headers().size(),
                Headers::MAX_BYTES,
            )?;
            bytes += message.size();
        }
        fits("one publish in bytes", bytes, self.batch_bytes)
    }
}

fn fits(what: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::TooLarge { what, size, limit })
}
