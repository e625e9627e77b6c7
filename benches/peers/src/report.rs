use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// The JSON lines of a run: printed as they come, if they are, and kept.
pub(crate) struct Report {
    is_printed: bool,
    text: String,
}

impl Report {
    /// Without a line.
    pub(crate) fn new(is_printed: bool) -> Self {
        Self {
            is_printed,
            text: String::new(),
        }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When nobody reads the standard output any more.
    pub(crate) fn add(&mut self, value: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(value)?;
        if self.is_printed {
            writeln!(io::stdout().lock(), "{line}")?;
        }
        self.text.push_str(&line);
        self.text.push('\n');
        Ok(())
    }

    /// Writes all lines.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, &self.text)
            .with_context(|| format!("{} cannot be written", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let mut report = Report::new(false);
        report.add(&[1, 2]).unwrap();
        report.add(&"three").unwrap();
        report.write(&path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, "[1,2]\n\"three\"\n");
    }
}
