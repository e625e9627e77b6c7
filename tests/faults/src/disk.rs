//! Disks that a scenario may break: one that loses its power, one that is full.
//!
//! They are file systems of their own, mounted in a temporary folder, which only root may do. As root they have to
//! work; anybody else is told [`NotPermitted`], which a scenario says aloud and never counts as a pass.
//!
//! Both go when they are dropped, also by a panic: whoever uses the files has to be dropped before.

mod ballast;
mod memory;
mod mount;
mod power;
mod shutdown;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;
use tempfile::TempDir;

pub(crate) use memory::MemoryDisk;
pub(crate) use power::PoweredDisk;

/// Why there can be no disk here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotPermitted;

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not permitted here: only root may mount a disk of its own")
    }
}

/// Whether disks can be mounted here.
///
/// # Errors
///
/// [`NotPermitted`] when this is not root.
pub(crate) fn permission() -> Result<(), NotPermitted> {
    if geteuid().is_root() {
        return Ok(());
    }
    Err(NotPermitted)
}

/// The folder of a disk: what it is made of, and where it is mounted.
#[derive(Debug)]
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("forebay-disk-")
            .tempdir()
            .context("no temporary folder")?;
        std::fs::create_dir(folder.path().join("disk"))?;
        Ok(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the disk is mounted.
    fn mounted(&self) -> PathBuf {
        self.path().join("disk")
    }
}

/// Runs a program to its end.
fn run(program: &mut Command) -> Result<()> {
    let name = program.get_program().to_string_lossy().into_owned();
    let ended = program
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} cannot be run"))?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(
        ended.status.success(),
        "{name} failed ({}): {}",
        ended.status,
        said.trim()
    );
    Ok(())
}
