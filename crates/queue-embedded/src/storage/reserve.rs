use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use fs4::FileExt;

use super::directory::Directory;

pub(super) const FILE: &str = "reserve";

/// Space kept back for a full disk: a file that is given up then, so that settlements still go through, and taken back
/// when there is room.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    is_held: bool,
}

impl Reserve {
    /// Holds so many bytes, or a quarter of a disk that is smaller than four times that, unless there is no room.
    pub(super) fn open(directory: &Directory, bytes: u64) -> Self {
        let path = directory.file(FILE);
        let bytes = bytes.min(disk_bytes(&path) / 4);
        let mut reserve = Self {
            is_held: fs::metadata(&path).is_ok_and(|file| file.len() == bytes),
            path,
            bytes,
        };
        if !reserve.is_held {
            reserve.take_back();
        }
        reserve
    }

    /// What an earlier one has kept, of whatever size, to be given up before the store is open.
    #[cfg(feature = "rocksdb")]
    pub(super) fn found(directory: &Directory) -> Self {
        Self {
            path: directory.file(FILE),
            bytes: 0,
            is_held: true,
        }
    }

    /// Whether there is something to give up.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// How much it is.
    #[cfg(feature = "sqlite")]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The disk is full: it may have this.
    pub(super) fn give_up(&mut self) {
        // What cannot be removed helps nobody; it is taken for held again by the next one to open the store.
        let _ = fs::remove_file(&self.path);
        self.is_held = false;
    }

    /// Whether the disk has room again, and the reserve is held again.
    pub(super) fn take_back(&mut self) -> bool {
        // A quarter more, so that what is held again is not given up at once.
        let wanted = self.bytes + self.bytes / 4;
        let has_room = self.available() >= wanted;
        self.is_held = has_room && self.allocate().is_ok();
        if has_room && !self.is_held {
            let _ = fs::remove_file(&self.path);
        }
        self.is_held
    }

    fn available(&self) -> u64 {
        let directory = self.path.parent();
        directory
            .and_then(|directory| fs4::available_space(directory).ok())
            .unwrap_or(0)
    }

    fn allocate(&self) -> io::Result<()> {
        let mut options = File::options();
        let options = options.create(true).truncate(true).write(true);
        let file = options.open(&self.path)?;
        match FileExt::allocate(&file, self.bytes) {
            // There is room, but it cannot be kept back here: then a full disk stops settlements too.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => file.set_len(self.bytes),
            done => done,
        }
    }
}

/// Of the disk that a file is on, or is to be on; very many where nobody knows.
pub(super) fn disk_bytes(file: &Path) -> u64 {
    file.parent()
        .and_then(|directory| fs4::total_space(directory).ok())
        .unwrap_or(u64::MAX)
}
