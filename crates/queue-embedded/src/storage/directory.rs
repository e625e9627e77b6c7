use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::StorageError;

/// Of the layout that this program writes: which files there are, and what is in them.
pub(super) const LAYOUT: u32 = 1;

const LOCK: &str = "lock";
const MANIFEST: &str = "forebay.store";
const NEW_MANIFEST: &str = "forebay.store.new";
const FIRST_LINE: &str = "forebay store";

/// Which database is in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Database {
    /// As the manifest says it.
    pub(super) name: &'static str,
    /// What the names of its files begin with.
    pub(super) files: &'static str,
}

/// The directory of a store, held by this handle alone until it is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    database: Database,
    is_new: bool,
    lock: File,
}

impl Directory {
    /// Takes a directory: an empty one, one that is not there yet, or a store of this database. A foreign one is left as
    /// it is.
    pub(super) fn open(path: &Path, database: Database) -> Result<Self, StorageError> {
        inspect(path, database)?;
        create(path)?;
        let lock = lock(path)?;
        // Somebody may have made a store of it meanwhile.
        let is_new = inspect(path, database)?;
        Ok(Self {
            path: path.to_owned(),
            database,
            is_new,
            lock,
        })
    }

    /// Whether there is no store yet: [`complete`](Self::complete) makes it one.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The database is there and on the disk: from now on it is a store, and a missing file is damage.
    pub(super) fn complete(&mut self) -> Result<(), StorageError> {
        let fault = |error| StorageError::of_file(&self.path, "create the store", error);
        let text = format!(
            "{FIRST_LINE}\nlayout {LAYOUT}\ndatabase {}\n",
            self.database.name
        );
        let new = self.file(NEW_MANIFEST);
        let mut file = File::create(&new).map_err(fault)?;
        file.write_all(text.as_bytes()).map_err(fault)?;
        file.sync_all().map_err(fault)?;
        fs::rename(&new, self.file(MANIFEST)).map_err(fault)?;
        self.sync().map_err(fault)?;
        self.is_new = false;
        Ok(())
    }

    /// Brings the names of its files to the disk, and its own.
    pub(super) fn sync(&self) -> io::Result<()> {
        // Elsewhere directories cannot be opened, and names are kept without.
        if cfg!(unix) {
            File::open(&self.path)?.sync_all()?;
            if let Some(parent) = self.path.parent().filter(|p| !p.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is just being started may still share it.
        let _ = self.lock.unlock();
    }
}

/// Whether it says that it is a store.
pub(super) fn has_manifest(path: &Path) -> bool {
    path.join(MANIFEST).exists()
}

/// Whether a store has still to be made of it.
fn inspect(path: &Path, database: Database) -> Result<bool, StorageError> {
    let foreign = |found: String| StorageError::Foreign {
        directory: path.to_owned(),
        found,
    };
    match fs::metadata(path) {
        Ok(there) if !there.is_dir() => return Err(foreign("it is no directory".to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(foreign("it lies below a file".to_owned()));
        }
        Err(error) => return Err(StorageError::of_file(path, "look at the directory", error)),
    }
    match fs::read(path.join(MANIFEST)) {
        Ok(manifest) => return check(path, database, &manifest).map(|()| false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(StorageError::of_file(path, "read forebay.store", error)),
    }
    let listing = fs::read_dir(path);
    let fault = |error| StorageError::of_file(path, "list the directory", error);
    for entry in listing.map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        let is_own = name.to_str().is_some_and(|name| is_own(name, database));
        if !is_own {
            return Err(foreign(format!(
                "it holds {} and no {MANIFEST}",
                Path::new(&name).display()
            )));
        }
    }
    Ok(true)
}

fn check(path: &Path, database: Database, manifest: &[u8]) -> Result<(), StorageError> {
    let damaged = |problem| StorageError::damaged(path, MANIFEST, problem);
    let text = std::str::from_utf8(manifest).map_err(|_| damaged("it is no text"))?;
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(StorageError::Foreign {
            directory: path.to_owned(),
            found: format!("its {MANIFEST} is not forebay's"),
        });
    }
    let mut field = |name| {
        let line: Option<&str> = lines.next();
        line.and_then(|line| line.strip_prefix(name))
    };
    let layout = field("layout ").and_then(|layout| layout.parse().ok());
    let layout: u32 = layout.ok_or_else(|| damaged("it names no layout"))?;
    if layout != LAYOUT {
        return Err(StorageError::UnknownVersion {
            directory: path.to_owned(),
            part: format!("the layout in {MANIFEST}"),
            version: layout,
            known: LAYOUT,
        });
    }
    let found = field("database ").ok_or_else(|| damaged("it names no database"))?;
    if found != database.name {
        // Not what is written there: it may be anything.
        return Err(StorageError::Foreign {
            directory: path.to_owned(),
            found: "it is a store of another database".to_owned(),
        });
    }
    Ok(())
}

/// What may lie around when the making of a store was cut short.
fn is_own(name: &str, database: Database) -> bool {
    [LOCK, NEW_MANIFEST, super::high_water::FILE, super::reserve::FILE].contains(&name)
        || name.starts_with(database.files)
        // An ext4 file system of its own.
        || name == "lost+found"
}

fn create(path: &Path) -> Result<(), StorageError> {
    fs::create_dir_all(path)
        .map_err(|error| StorageError::of_file(path, "create the directory", error))
}

fn lock(path: &Path) -> Result<File, StorageError> {
    let fault = |error| StorageError::of_file(path, "lock the directory", error);
    let mut options = File::options();
    let lock = options.create(true).write(true).truncate(false);
    let lock = lock.open(path.join(LOCK)).map_err(fault)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked {
            directory: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: Database = Database {
        name: "none",
        files: "none",
    };

    #[test]
    fn it_is_held_before_anything_is_looked_at_and_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Directory::open(folder.path(), DATABASE).unwrap();
        let second = Directory::open(folder.path(), DATABASE).unwrap_err();
        assert!(matches!(second, StorageError::Locked { .. }), "{second}");
        assert!(first.is_new());
        first.complete().unwrap();
        assert!(!first.is_new());
        // Shared, as with a process that is just being started.
        let shared = first.lock.try_clone().unwrap();
        drop(first);
        let third = Directory::open(folder.path(), DATABASE).unwrap();
        assert!(!third.is_new());
        drop(shared);
    }
}
