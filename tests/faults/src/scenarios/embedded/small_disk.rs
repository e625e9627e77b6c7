use std::fmt;
use std::path::PathBuf;

use anyhow::Result;

use crate::disk::{MemoryDisk, NotPermitted, PoweredDisk};

/// In memory.
const MEMORY: u64 = 32 << 20;
/// In an image, with the log of the file system.
const IMAGE: u64 = 64 << 20;

/// A disk that is soon full.
pub(super) enum SmallDisk {
    Memory(MemoryDisk),
    Image(PoweredDisk),
}

/// Which.
#[derive(Clone, Copy)]
pub(super) enum Sort {
    Tmpfs,
    Ext4,
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tmpfs => "tmpfs",
            Self::Ext4 => "ext4",
        })
    }
}

impl SmallDisk {
    /// Mounts an empty one.
    pub(super) fn new(sort: Sort) -> Result<Result<Self, NotPermitted>> {
        Ok(match sort {
            Sort::Tmpfs => MemoryDisk::new(MEMORY)?.map(Self::Memory),
            Sort::Ext4 => PoweredDisk::new(IMAGE)?.map(Self::Image),
        })
    }

    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Memory(disk) => disk.path(),
            Self::Image(disk) => disk.path(),
        }
    }

    /// Takes all that is left of it, as somebody else would.
    pub(super) fn fill(&self) -> Result<u64> {
        match self {
            Self::Memory(disk) => disk.take(u64::MAX),
            Self::Image(disk) => disk.take(u64::MAX),
        }
    }

    /// Gives back what [`fill`](Self::fill) took.
    pub(super) fn make_room(&self) -> Result<()> {
        match self {
            Self::Memory(disk) => disk.make_room(),
            Self::Image(disk) => disk.make_room(),
        }
    }
}
