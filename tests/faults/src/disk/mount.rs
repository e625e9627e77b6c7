//! A mounted file system.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_xtask::poll::{self, Outcome};

use super::run;

/// How long whoever still has its files open may take to let go of them.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// A file system that is mounted until this is dropped.
#[derive(Debug)]
pub(super) struct Mount {
    folder: PathBuf,
    is_over: bool,
}

impl Mount {
    /// An image in a file, on whatever loop device is free; that is free again afterwards.
    pub(super) fn image(image: &Path, folder: &Path) -> Result<Self> {
        Self::new(
            Command::new("mount").args(["-t", "ext4", "-o", "loop,noatime"]),
            image,
            folder,
        )
    }

    /// Memory of that many bytes.
    pub(super) fn memory(bytes: u64, folder: &Path) -> Result<Self> {
        let size = format!("size={bytes},mode=700");
        Self::new(
            Command::new("mount").args(["-t", "tmpfs", "-o", &size]),
            Path::new("tmpfs"),
            folder,
        )
    }

    /// Refuses everything but reading from here on.
    pub(super) fn read_only(&self) -> Result<()> {
        let mut mount = Command::new("mount");
        run(mount.args(["-o", "remount,ro"]).arg(&self.folder))
            .context("the disk cannot be made read-only")
    }

    /// Ends it.
    pub(super) fn unmount(mut self) -> Result<()> {
        let ended = poll::until(BUSY_LIMIT, || match self.try_unmount() {
            Ok(()) => Outcome::Done(()),
            Err(_) => Outcome::Again,
        });
        match ended {
            Some(()) => Ok(()),
            None => self.try_unmount().context("somebody still uses the disk"),
        }
    }

    fn new(mount: &mut Command, what: &Path, folder: &Path) -> Result<Self> {
        run(mount.arg(what).arg(folder)).context("the disk cannot be mounted")?;
        Ok(Self {
            folder: folder.to_owned(),
            is_over: false,
        })
    }

    fn try_unmount(&mut self) -> Result<()> {
        run(Command::new("umount").arg(&self.folder))?;
        self.is_over = true;
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_over || self.try_unmount().is_ok() {
            return;
        }
        // Whoever still has files open keeps them; the folder is free, and the device once they have ended.
        if let Err(error) = run(Command::new("umount").arg("--lazy").arg(&self.folder)) {
            eprintln!("a disk is still mounted: {error:#}");
        }
    }
}
