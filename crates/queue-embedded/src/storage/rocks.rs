use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use forebay_queue_core::Durability;
use parking_lot::{Mutex, RwLock};
use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB,
    DBCompressionType, DBRecoveryMode, Direction, Error, ErrorKind, FlushOptions, IteratorMode,
    LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::batch::Operation;
use super::directory::{Database, Directory};
use super::high_water::{self, HighWater};
use super::reserve::{self, Reserve};
use super::{Batch, Family, Row, Storage, StorageError, is_fsynced};

const FOLDER: &str = "rocksdb";
const DATABASE: Database = Database {
    name: FOLDER,
    files: FOLDER,
};

/// How much it keeps in memory, in its log, and back for a full disk, which has to take what is in memory before anything
/// can be written again.
struct Sizes {
    family_buffer: usize,
    all_buffers: usize,
    log: u64,
    reserve: u64,
}

impl Sizes {
    /// On a small disk all is smaller.
    fn on_disk(bytes: u64) -> Self {
        let unit = (bytes / 32).clamp(1 << 20, 16 << 20);
        // At most 16 MB: it fits.
        let buffer = usize::try_from(unit).unwrap_or(1 << 20);
        Self {
            family_buffer: buffer,
            all_buffers: 3 * buffer,
            // A family that is seldom written would keep all of the log otherwise.
            log: 4 * unit,
            reserve: 4 * unit,
        }
    }
}

/// A [`Storage`] in `RocksDB`: many bytes a second at a tenth of the bytes written.
///
/// After a full disk it goes on by itself some seconds after there is room. Reads go on beside a write.
pub struct RocksDbStorage {
    path: PathBuf,
    open: RwLock<Option<Open>>,
}

/// An open database and what stands beside it.
struct Open {
    database: DB,
    books: Mutex<Books>,
    // After the database: it is closed before others may open the directory.
    directory: Directory,
}

/// What only one write may touch at a time.
struct Books {
    high_water: HighWater,
    reserve: Reserve,
    has_failed: bool,
    /// The disk is full, and something was removed since room was last looked for.
    may_have_room: bool,
}

impl RocksDbStorage {
    /// Opens the store in a directory, or makes one where it is empty or missing.
    ///
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::Foreign`], [`StorageError::UnknownVersion`], [`StorageError::ReadOnly`] or
    /// [`StorageError::Damaged`] as found there; [`StorageError::Full`] or [`StorageError::Io`] as the disk says.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let mut directory = Directory::open(path, DATABASE)?;
        let folder = directory.file(FOLDER);
        let doing = "open the database";
        if folder.join("CURRENT").exists() {
            let found = DB::list_cf(&Options::default(), &folder);
            check_families(path, &found.map_err(|error| fault(path, doing, &error))?)?;
        } else if !directory.is_new() {
            return Err(StorageError::damaged(path, FOLDER, "it is missing"));
        }
        let sizes = Sizes::on_disk(reserve::disk_bytes(&folder));
        let database = match connect(&folder, directory.is_new(), &sizes) {
            // It cannot even open without room, which the reserve gives it.
            Err(error) if fault(path, doing, &error).is_full() => {
                Reserve::found(&directory).give_up();
                connect(&folder, directory.is_new(), &sizes)
            }
            opened => opened,
        };
        let database = database.map_err(|error| fault(path, doing, &error))?;
        let number = database
            .get(high_water::NUMBER)
            .map_err(|error| fault(path, doing, &error))?;
        let high_water = HighWater::open(path, &directory, number.as_deref(), "its log")?;
        if directory.is_new() {
            directory.complete()?;
        }
        let books = Books {
            high_water,
            reserve: Reserve::open(&directory, sizes.reserve),
            has_failed: false,
            may_have_room: true,
        };
        Ok(Self {
            path: path.to_owned(),
            open: RwLock::new(Some(Open {
                database,
                books: Mutex::new(books),
                directory,
            })),
        })
    }

    fn with<T>(
        &self,
        call: impl FnOnce(&Open) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let open = self.open.read();
        call(
            open.as_ref()
                .ok_or_else(|| StorageError::closed(&self.path))?,
        )
    }

    fn fault(&self, doing: &'static str, error: &Error) -> StorageError {
        fault(&self.path, doing, error)
    }

    fn full(&self) -> StorageError {
        StorageError::Full {
            directory: self.path.clone(),
        }
    }
}

impl Storage for RocksDbStorage {
    fn directory(&self) -> &Path {
        &self.path
    }

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.with(|open| {
            let value = open.database.get_cf(open.family(family), key);
            value.map_err(|error| self.fault("read", &error))
        })
    }

    fn scan(
        &self,
        family: Family,
        range: Range<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.with(|open| {
            let mut bounds = ReadOptions::default();
            bounds.set_iterate_upper_bound(range.end);
            let start = IteratorMode::From(range.start, Direction::Forward);
            let rows = open
                .database
                .iterator_cf_opt(open.family(family), bounds, start);
            rows.take(limit)
                .map(|row| row.map(|(key, value)| (key.into_vec(), value.into_vec())))
                .collect::<Result<_, _>>()
                .map_err(|error| self.fault("read", &error))
        })
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError> {
        batch.check(&self.path)?;
        let fsynced = is_fsynced(durability);
        if batch.is_empty() && !fsynced {
            return self.with(|_| Ok(()));
        }
        self.with(|open| {
            let mut books = open.books.lock();
            if books.has_failed {
                return Err(StorageError::Failed {
                    directory: self.path.clone(),
                });
            }
            let has_room = books.reserve.is_held() || books.reserve.take_back();
            if !has_room && !batch.may_use_reserve() {
                open.make_room(&mut books);
                return Err(self.full());
            }
            let mut options = WriteOptions::default();
            options.set_sync(fsynced);
            let number = fsynced.then(|| books.high_water.next());
            let rows = open.rows(batch, number.as_deref());
            let Err(error) = open.database.write_opt(rows, &options) else {
                if fsynced {
                    books.high_water.advance();
                }
                books.may_have_room = true;
                return Ok(());
            };
            let error = self.fault("write", &error);
            if error.is_full() {
                books.reserve.give_up();
            } else {
                books.has_failed = true;
            }
            Err(error)
        })
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.with(|open| {
            let mut options = CompactOptions::default();
            options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
            for family in Family::ALL {
                let family = open.family(family);
                let flushed = open.database.flush_cf(family);
                flushed.map_err(|error| self.fault("compact", &error))?;
                let all: (Option<&[u8]>, Option<&[u8]>) = (None, None);
                open.database
                    .compact_range_cf_opt(family, all.0, all.1, &options);
            }
            Ok(())
        })
    }

    fn size(&self) -> Result<u64, StorageError> {
        let look = |open: &Open| -> io::Result<u64> {
            let mut bytes = 0;
            for entry in fs::read_dir(open.directory.file(FOLDER))? {
                match entry?.metadata() {
                    Ok(file) => bytes += file.len(),
                    // It went meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(bytes)
        };
        self.with(|open| {
            look(open)
                .map_err(|error| StorageError::of_file(&self.path, "look at the files", error))
        })
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.write(&Batch::new(), Durability::Fsynced)
    }

    fn close(&self) -> Result<(), StorageError> {
        let Some(open) = self.open.write().take() else {
            return Ok(());
        };
        // Dropping it would leave all of the log to be read at the next start.
        let families: Vec<_> = Family::ALL.map(|family| open.family(family)).into();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let flushed = open
            .database
            .flush_wal(true)
            .and_then(|()| open.database.flush_cfs_opt(&families, &options));
        open.database.cancel_all_background_work(true);
        flushed.map_err(|error| self.fault("close", &error))
    }
}

impl std::fmt::Debug for RocksDbStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksDbStorage")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Open {
    /// # Panics
    /// Never: all families were opened.
    fn family(&self, family: Family) -> &ColumnFamily {
        self.database
            .cf_handle(family.name())
            .expect("every family was opened with the database")
    }

    /// What was removed is still on the disk, until what says so has left memory and was merged with it. That is started
    /// here, and goes on behind.
    fn make_room(&self, books: &mut Books) {
        if !std::mem::take(&mut books.may_have_room) {
            return;
        }
        let families: Vec<_> = Family::ALL.map(|family| self.family(family)).into();
        let mut options = FlushOptions::default();
        options.set_wait(false);
        // On a full disk it may fail, and is tried again.
        let _ = self.database.flush_cfs_opt(&families, &options);
    }

    fn rows(&self, batch: &Batch, number: Option<&[u8]>) -> WriteBatch {
        let mut rows = WriteBatch::default();
        for operation in batch.operations() {
            match operation {
                Operation::Put { family, key, value } => {
                    rows.put_cf(self.family(*family), key, value);
                }
                Operation::Delete { family, key } => rows.delete_cf(self.family(*family), key),
                // Backwards it is an error here and nothing to SQLite.
                Operation::DeleteRange { from, to, .. } if from >= to => {}
                Operation::DeleteRange { family, from, to } => {
                    rows.delete_range_cf(self.family(*family), from, to);
                }
            }
        }
        if let Some(number) = number {
            rows.put_cf(self.family(Family::Default), high_water::NUMBER, number);
        }
        rows
    }
}

fn connect(folder: &Path, is_new: bool, sizes: &Sizes) -> Result<DB, Error> {
    let mut options = Options::default();
    options.create_if_missing(is_new);
    options.create_missing_column_families(is_new);
    // The end of a log that a crash has torn is dropped; what is missing before it is an error.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(sizes.log);
    options.set_db_write_buffer_size(sizes.all_buffers);
    // Its 4 MB would take what a full disk has left.
    options.set_manifest_preallocation_size(64 << 10);
    // Its own log file may quote keys.
    options.set_log_level(LogLevel::Fatal);
    options.set_keep_log_file_num(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    let mut family_options = Options::default();
    family_options.set_write_buffer_size(sizes.family_buffer);
    family_options.set_compression_type(DBCompressionType::Lz4);
    // A queue removes all that it ever held: files that say so in more than half of their rows are merged at once.
    family_options.add_compact_on_deletion_collector_factory(1_000, 500, 0.5);
    let families = Family::ALL
        .map(|family| ColumnFamilyDescriptor::new(family.name(), family_options.clone()));
    DB::open_cf_descriptors(&options, folder, families)
}

/// Whether it is forebay's: `RocksDB` itself would open any.
fn check_families(path: &Path, found: &[String]) -> Result<(), StorageError> {
    let is_known = |name: &String| Family::ALL.iter().any(|family| family.name() == name);
    if found.iter().all(is_known) {
        return Ok(());
    }
    Err(StorageError::Foreign {
        directory: path.to_owned(),
        found: format!("its {FOLDER} has families that are not forebay's"),
    })
}

/// What an error of `RocksDB` means. Texts of damage may quote keys, so that only the file is taken from them.
fn fault(path: &Path, doing: &'static str, error: &Error) -> StorageError {
    let directory = path.to_owned();
    let text = error.to_string();
    let says = |part: &str| text.contains(part);
    match error.kind() {
        _ if says("No space left") || says("Disk quota exceeded") => {
            StorageError::Full { directory }
        }
        _ if says("lock file") || says("lock hold by") => StorageError::Locked { directory },
        ErrorKind::IOError if says("Read-only file system") || says("Permission denied") => {
            StorageError::ReadOnly {
                directory,
                source: text.into(),
            }
        }
        ErrorKind::IOError if !says("No such file") => StorageError::Io {
            directory,
            doing,
            source: text.into(),
        },
        ErrorKind::Corruption
        | ErrorKind::InvalidArgument
        | ErrorKind::NotFound
        | ErrorKind::IOError => {
            let part =
                file_in(&text).map_or_else(|| FOLDER.to_owned(), |file| format!("{FOLDER}/{file}"));
            StorageError::damaged(path, &part, "RocksDB cannot read it")
        }
        kind => StorageError::Io {
            directory,
            doing,
            source: format!("RocksDB: {kind:?}").into(),
        },
    }
}

/// The first file that a text names.
fn file_in(text: &str) -> Option<&str> {
    let words = text.split([' ', ':', ',']);
    let mut paths = words.filter(|word| word.starts_with('/'));
    paths
        .next()?
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_damage_only_the_file_is_said() {
        let text = "Corruption: block checksum mismatch: stored = 1, computed = 2  in /var/lib/q/rocksdb/000012.sst offset 0";
        assert_eq!(file_in(text), Some("000012.sst"));
        let text = "IO error: No such file or directory: While open: /q/MANIFEST-000004: gone";
        assert_eq!(file_in(text), Some("MANIFEST-000004"));
        assert_eq!(file_in("Corruption: key 0x63616e617279"), None);
    }

    #[test]
    fn a_small_disk_gets_small_sizes() {
        for bytes in [0, 32 << 20, 1 << 30, u64::MAX] {
            let sizes = Sizes::on_disk(bytes);
            assert!(sizes.family_buffer <= sizes.all_buffers);
            assert!(sizes.reserve >= sizes.all_buffers as u64);
            assert!(bytes < 32 << 20 || sizes.reserve + sizes.log <= bytes / 4);
        }
    }
}
