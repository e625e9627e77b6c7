use std::io;
use std::path::{Path, PathBuf};

use forebay_queue_core::BoxError;

/// What can go wrong with a store on a disk.
///
/// Every text says what is wrong, in which directory, and what to do. None contains a key, a header or a payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The disk failed.
    #[error(
        "the store in {}: the disk failed while it was to {doing}; look at the cause, mend it and open the store again",
        directory.display()
    )]
    Io {
        /// Which store.
        directory: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the disk or the database says.
        #[source]
        source: BoxError,
    },
    /// An earlier write failed at the disk, so that nobody knows what is there.
    #[error(
        "the store in {}: an earlier write failed at the disk, so that nothing more is written; open the store again",
        directory.display()
    )]
    Failed {
        /// Which store.
        directory: PathBuf,
    },
    /// No room on the disk. Nothing was written.
    #[error(
        "the store in {}: the disk is full; make room or let the queue drain, what settles messages still goes through",
        directory.display()
    )]
    Full {
        /// Which store.
        directory: PathBuf,
    },
    /// Somebody else has it open.
    #[error(
        "the store in {} is in use by another process or handle; there can be one at a time, so end that or use another directory",
        directory.display()
    )]
    Locked {
        /// Which store.
        directory: PathBuf,
    },
    /// It is somebody else's.
    #[error(
        "{} is no store for this backend: {found}; use an empty directory or the backend that made it",
        directory.display()
    )]
    Foreign {
        /// Which directory.
        directory: PathBuf,
        /// What was found there.
        found: String,
    },
    /// What is there was damaged or has lost something.
    #[error(
        "the store in {} is damaged: {part}: {problem}; nothing was changed, so keep a copy of the directory and restore a good one",
        directory.display()
    )]
    Damaged {
        /// Which store.
        directory: PathBuf,
        /// Which file or family.
        part: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Written by another version of this program.
    #[error(
        "the store in {}: {part} has version {version}, which this program does not know (it knows {known}); use the program that wrote it",
        directory.display()
    )]
    UnknownVersion {
        /// Which store.
        directory: PathBuf,
        /// Which file or family.
        part: String,
        /// The version found.
        version: u32,
        /// The latest version known.
        known: u32,
    },
    /// It cannot be written.
    #[error(
        "the store in {} is read-only; give this process the right to write there",
        directory.display()
    )]
    ReadOnly {
        /// Which store.
        directory: PathBuf,
        /// What the system says.
        #[source]
        source: BoxError,
    },
    /// More than fits, and never will fit.
    #[error(
        "the store in {}: {what}: {size} is over the limit of {limit}; write less at once",
        directory.display()
    )]
    TooLarge {
        /// Which store.
        directory: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How much there was.
        size: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// It was closed.
    #[error("the store in {} is closed; open it again", directory.display())]
    Closed {
        /// Which store.
        directory: PathBuf,
    },
}

impl StorageError {
    /// Whether the disk had no room. The same call can succeed later.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether something written may be lost or altered.
    pub const fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// What an error of the file system means.
    pub(super) fn of_file(directory: &Path, doing: &'static str, error: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let directory = directory.to_owned();
        match error.kind() {
            PermissionDenied | ReadOnlyFilesystem => Self::ReadOnly {
                directory,
                source: error.into(),
            },
            StorageFull | QuotaExceeded => Self::Full { directory },
            _ => Self::Io {
                directory,
                doing,
                source: error.into(),
            },
        }
    }

    pub(super) fn damaged(directory: &Path, part: &str, problem: impl Into<String>) -> Self {
        Self::Damaged {
            directory: directory.to_owned(),
            part: part.to_owned(),
            problem: problem.into(),
        }
    }

    pub(super) fn closed(directory: &Path) -> Self {
        Self::Closed {
            directory: directory.to_owned(),
        }
    }
}
