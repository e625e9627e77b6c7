//! A small disk, to be filled.

use std::path::PathBuf;

use anyhow::Result;

use super::mount::Mount;
use super::{NotPermitted, Place, ballast, permission};

/// A disk in memory of a fixed size.
#[derive(Debug)]
pub(crate) struct MemoryDisk {
    // Unmounted before its folder goes.
    mount: Option<Mount>,
    place: Place,
}

impl MemoryDisk {
    /// Mounts an empty one of so many bytes.
    ///
    /// # Errors
    ///
    /// [`NotPermitted`] inside when this is not root; the outer error when root cannot do it.
    pub(crate) fn new(bytes: u64) -> Result<Result<Self, NotPermitted>> {
        if let Err(refused) = permission() {
            return Ok(Err(refused));
        }
        let place = Place::new()?;
        let mount = Mount::memory(bytes, &place.mounted())?;
        Ok(Ok(Self {
            mount: Some(mount),
            place,
        }))
    }

    /// The folder it is mounted at.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.mounted()
    }

    /// Writes so many bytes to it, as somebody else would, or as many as fit. Says how many that were.
    ///
    /// # Errors
    ///
    /// When something other than its end stops the writing.
    pub(crate) fn take(&self, bytes: u64) -> Result<u64> {
        ballast::take(&self.path(), bytes)
    }

    /// Lets nobody write to it any more.
    ///
    /// # Errors
    ///
    /// When the system refuses it.
    pub(crate) fn read_only(&self) -> Result<()> {
        match &self.mount {
            Some(mount) => mount.read_only(),
            None => Ok(()),
        }
    }

    /// Removes what [`take`](Self::take) has written.
    ///
    /// # Errors
    ///
    /// When there was nothing, or it cannot be removed.
    pub(crate) fn make_room(&self) -> Result<()> {
        ballast::remove(&self.path())
    }
}

impl Drop for MemoryDisk {
    fn drop(&mut self) {
        drop(self.mount.take());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_disk_in_memory_is_full_and_has_room_again() {
        let disk = match MemoryDisk::new(1 << 20).unwrap() {
            Ok(disk) => disk,
            Err(refused) => return println!("skipped: {refused}"),
        };
        let file = disk.path().join("file");
        fs::write(&file, "there").unwrap();
        assert_eq!(disk.take(1 << 18).unwrap(), 1 << 18);
        let filled = disk.take(u64::MAX).unwrap();
        assert!((1 << 19..1 << 20).contains(&filled), "{filled}");
        let refused = fs::write(disk.path().join("more"), "none").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        disk.make_room().unwrap();
        fs::write(disk.path().join("more"), "some").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"there");
        let folder = disk.path();
        drop(disk);
        assert!(!folder.exists());
    }
}
