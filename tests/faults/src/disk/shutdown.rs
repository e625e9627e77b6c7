//! How the power is cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::run;

/// The system call has no safe way into Rust, and `unsafe` is not for this house: so it is a program of its own, of
/// the C compiler that links Rust programs too.
const SOURCE: &str = include_str!("shutdown.c");

/// A program that shuts a file system down without a word to its disk.
#[derive(Debug)]
pub(super) struct Shutdown(PathBuf);

impl Shutdown {
    /// Builds it in that folder.
    pub(super) fn build(folder: &Path) -> Result<Self> {
        let source = folder.join("shutdown.c");
        let program = folder.join("shutdown");
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        let built = run(compiler.arg("-o").arg(&program).arg(&source));
        built.context("the program that cuts the power cannot be built")?;
        Ok(Self(program))
    }

    /// Shuts down the file system mounted there.
    pub(super) fn of(&self, mounted: &Path) -> Result<()> {
        run(Command::new(&self.0).arg(mounted)).context("the power cannot be cut")
    }
}
