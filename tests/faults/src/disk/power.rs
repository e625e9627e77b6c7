//! A disk whose power can be cut.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::mount::Mount;
use super::shutdown::Shutdown;
use super::{NotPermitted, Place, ballast, permission, run};

/// An ext4 image in a file, on a loop device. What was not flushed to it is gone when its power is cut: data, the
/// entries of folders and the log of the file system itself alike.
#[derive(Debug)]
pub(crate) struct PoweredDisk {
    /// None while there is no power.
    mount: Option<Mount>,
    shutdown: Shutdown,
    place: Place,
}

impl PoweredDisk {
    /// Makes and mounts an empty one of so many bytes.
    ///
    /// # Errors
    ///
    /// [`NotPermitted`] inside when this is not root; the outer error when root cannot do it.
    pub(crate) fn new(bytes: u64) -> Result<Result<Self, NotPermitted>> {
        if let Err(refused) = permission() {
            return Ok(Err(refused));
        }
        let place = Place::new()?;
        let image = place.path().join("image");
        File::create(&image)?.set_len(bytes)?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0"])
            .arg(&image))
        .context("no file system")?;
        let shutdown = Shutdown::build(place.path())?;
        let mut disk = Self {
            mount: None,
            shutdown,
            place,
        };
        disk.power_up()?;
        Ok(Ok(disk))
    }

    /// The folder it is mounted at.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.mounted()
    }

    /// As [`MemoryDisk::take`](super::MemoryDisk::take).
    ///
    /// # Errors
    ///
    /// When something other than its end stops the writing.
    pub(crate) fn take(&self, bytes: u64) -> Result<u64> {
        ballast::take(&self.path(), bytes)
    }

    /// As [`MemoryDisk::make_room`](super::MemoryDisk::make_room).
    ///
    /// # Errors
    ///
    /// When there was nothing, or it cannot be removed.
    pub(crate) fn make_room(&self) -> Result<()> {
        ballast::remove(&self.path())
    }

    /// Cuts its power. Whoever uses its files gets errors from here on.
    ///
    /// # Errors
    ///
    /// When the system refuses it.
    pub(crate) fn cut(&mut self) -> Result<()> {
        self.shutdown.of(&self.path())
    }

    /// Gives it power again after a cut, as a machine that starts: the file system replays its log.
    ///
    /// # Errors
    ///
    /// When somebody has its files open for 10 s more, and when it does not mount again.
    pub(crate) fn power_up(&mut self) -> Result<()> {
        if let Some(mount) = self.mount.take() {
            mount.unmount()?;
        }
        let image = self.place.path().join("image");
        self.mount = Some(Mount::image(&image, &self.path())?);
        Ok(())
    }
}

impl Drop for PoweredDisk {
    fn drop(&mut self) {
        // Before its folder goes.
        drop(self.mount.take());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn disk() -> Option<PoweredDisk> {
        match PoweredDisk::new(32 << 20).unwrap() {
            Ok(disk) => Some(disk),
            Err(refused) => {
                println!("skipped: {refused}");
                None
            }
        }
    }

    #[test]
    fn a_cut_takes_what_was_not_flushed_and_nothing_else() {
        let Some(mut disk) = disk() else { return };
        for round in 0..3 {
            let path = disk.path().join(format!("kept-{round}"));
            let mut kept = File::create(&path).unwrap();
            kept.write_all(b"kept").unwrap();
            kept.sync_all().unwrap();
            kept.write_all(b" and more").unwrap();
            fs::write(disk.path().join("lost"), "lost").unwrap();
            disk.cut().unwrap();
            assert!(kept.sync_all().is_err(), "the power is still there");
            drop(kept);
            disk.power_up().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"kept");
            assert!(!disk.path().join("lost").exists());
        }
        assert!(disk.path().join("kept-0").exists());
    }

    #[test]
    fn nothing_stays_mounted_after_a_panic() {
        let Some(disk) = disk() else { return };
        let folder = disk.path();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _disk = disk;
            panic!("on purpose");
        }));
        assert!(ended.is_err());
        assert!(!folder.exists());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&*folder.to_string_lossy()));
        let devices = Command::new("losetup").arg("--all").output().unwrap();
        let devices = String::from_utf8_lossy(&devices.stdout).into_owned();
        let folder = folder.parent().unwrap().to_string_lossy();
        assert!(!devices.contains(&*folder), "{devices}");
    }
}
