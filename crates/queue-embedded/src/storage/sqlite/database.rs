#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, MAIN_DB, OpenFlags, OptionalExtension, params};

use super::super::batch::Operation;
use super::super::directory::{Directory, LAYOUT};
use super::super::high_water::{self, HighWater};
use super::super::reserve::Reserve;
use super::super::{Batch, Family, Row, StorageError};
use super::wal::{self, Log};

const FILE: &str = "queue.db";
const LOG: &str = "queue.db-wal";
const NEW_FILE: &str = "queue.db.new";

/// "fbay": what tells a store from other SQLite files.
const APPLICATION_ID: u32 = 0x6662_6179;
const PAGE_SIZE: u32 = 8192;
/// Of the first table made, the family `default`. Making the file anew keeps it.
const BOOKS_PAGE: u32 = 2;
/// The log goes into the file at 4 MB: the commit that crosses it waits some milliseconds.
const CHECKPOINT_PAGES: u32 = 512;
const CACHE_KIB: i32 = 32 * 1024;
/// The log may hold 4 MB and one more batch of up to 4 MB when the disk is full, and all of it may have to go into the
/// file before anything can be written again.
const RESERVE_BYTES: u64 = 8 << 20;

/// An open SQLite file and what stands beside it.
#[derive(Debug)]
pub(super) struct SqliteFile {
    path: PathBuf,
    connection: Connection,
    statements: Vec<Statements>,
    is_synced: bool,
    has_failed: bool,
    high_water: HighWater,
    reserve: Reserve,
    // After the connection: it is closed before others may open the directory.
    directory: Directory,
}

/// What is said to one table. Prepared once, found again by its text.
#[derive(Debug)]
struct Statements {
    put: String,
    delete: String,
    delete_range: String,
    get: String,
    scan: String,
}

impl Statements {
    fn of(family: Family) -> Self {
        let table = format!("\"{}\"", family.name());
        Self {
            put: format!("INSERT OR REPLACE INTO {table} (k, v) VALUES (?1, ?2)"),
            delete: format!("DELETE FROM {table} WHERE k = ?1"),
            delete_range: format!("DELETE FROM {table} WHERE k >= ?1 AND k < ?2"),
            get: format!("SELECT v FROM {table} WHERE k = ?1"),
            scan: format!("SELECT k, v FROM {table} WHERE k >= ?1 AND k < ?2 ORDER BY k LIMIT ?3"),
        }
    }
}

impl SqliteFile {
    /// Nothing is changed before everything has been looked at.
    pub(super) fn open(path: &Path, mut directory: Directory) -> Result<Self, StorageError> {
        let file = directory.file(FILE);
        if directory.is_new() && !file.exists() {
            create(path, &directory, &file)?;
        }
        check_header(path, &directory, &file)?;
        check_log(path, &directory)?;
        let opened = connect(&file).map_err(|error| fault(path, "open queue.db", error))?;
        let number = books(&opened).map_err(|error| fault(path, "read queue.db", error))?;
        let high_water = HighWater::open(path, &directory, number.as_deref(), LOG)?;
        let connection = settle(opened).map_err(|error| fault(path, "open queue.db", error))?;
        if directory.is_new() {
            directory.complete()?;
        }
        Ok(Self {
            path: path.to_owned(),
            connection,
            statements: Family::ALL.map(Statements::of).into(),
            is_synced: true,
            has_failed: false,
            high_water,
            reserve: Reserve::open(&directory, RESERVE_BYTES),
            directory,
        })
    }

    pub(super) fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let statement = &self.statements[family.index()].get;
        let read = || -> rusqlite::Result<_> {
            let mut statement = self.connection.prepare_cached(statement)?;
            statement.query_row([key], |row| row.get(0)).optional()
        };
        read().map_err(|error| fault(&self.path, "read queue.db", error))
    }

    pub(super) fn scan(
        &self,
        family: Family,
        range: Range<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let statement = &self.statements[family.index()].scan;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = self.connection.prepare_cached(statement)?;
            let bounds = params![range.start, range.end, limit];
            let rows = statement.query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        read().map_err(|error| fault(&self.path, "read queue.db", error))
    }

    pub(super) fn write(&mut self, batch: &Batch, fsynced: bool) -> Result<(), StorageError> {
        if self.has_failed {
            return Err(StorageError::Failed {
                directory: self.path.clone(),
            });
        }
        if batch.is_empty() && !fsynced {
            return Ok(());
        }
        if !batch.may_use_reserve() && !self.has_room(batch.bytes())? {
            return Err(StorageError::Full {
                directory: self.path.clone(),
            });
        }
        let mut written = self.commit(batch, fsynced);
        if is_full(&written) && (self.reserve.is_held() || batch.may_use_reserve()) {
            self.reserve.give_up();
            // Into the file, so that the log can be used from its beginning.
            let _ = self.checkpoint("PASSIVE");
            if batch.may_use_reserve() {
                written = self.commit(batch, fsynced);
            }
        }
        let Err(error) = written else { return Ok(()) };
        let error = fault(&self.path, "write to queue.db", error);
        if !matches!(
            error,
            StorageError::Full { .. } | StorageError::Locked { .. }
        ) {
            self.has_failed = true;
            // What is in the log is uncertain: the next one to open it looks first.
            let _ = self
                .connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        Err(error)
    }

    pub(super) fn compact(&mut self) -> Result<(), StorageError> {
        let compacted = self
            .connection
            .execute_batch("VACUUM")
            .and_then(|()| self.checkpoint("TRUNCATE"));
        compacted.map_err(|error| fault(&self.path, "compact queue.db", error))
    }

    pub(super) fn size(&self) -> Result<u64, StorageError> {
        let mut bytes = 0;
        for file in [FILE, LOG] {
            match fs::metadata(self.directory.file(file)) {
                Ok(there) => bytes += there.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(StorageError::of_file(&self.path, "look at queue.db", error));
                }
            }
        }
        Ok(bytes)
    }

    pub(super) fn close(self) -> Result<(), StorageError> {
        let closed = self.connection.close();
        closed.map_err(|(_, error)| fault(&self.path, "close queue.db", error))
    }

    fn commit(&mut self, batch: &Batch, fsynced: bool) -> rusqlite::Result<()> {
        if self.is_synced != fsynced {
            let level = if fsynced { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.is_synced = fsynced;
        }
        let connection = &self.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let number = fsynced.then(|| self.high_water.next());
        let written = apply(connection, &self.statements, batch, number.as_deref())
            .and_then(|()| connection.prepare_cached("COMMIT")?.execute([]));
        if let Err(error) = written {
            // Some errors have rolled it back already.
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            return Err(error);
        }
        if fsynced {
            self.high_water.advance();
        }
        Ok(())
    }

    /// Whether a publish may use the disk: while the reserve is held, can be taken back, or there is as much free space
    /// inside the file.
    fn has_room(&mut self, bytes: usize) -> Result<bool, StorageError> {
        if self.reserve.is_held() {
            return Ok(true);
        }
        let free: rusqlite::Result<u32> =
            self.connection
                .pragma_query_value(None, "freelist_count", |row| row.get(0));
        let free = free.map_err(|error| fault(&self.path, "read queue.db", error))?;
        let wanted = self.reserve.bytes() + 2 * bytes as u64;
        Ok(u64::from(free) * u64::from(PAGE_SIZE) >= wanted || self.reserve.take_back())
    }

    fn checkpoint(&self, mode: &str) -> rusqlite::Result<()> {
        checkpoint(&self.connection, mode)
    }
}

/// Made under another name, so that a file of the right name is whole.
fn create(path: &Path, directory: &Directory, file: &Path) -> Result<(), StorageError> {
    let unmade = |error| StorageError::of_file(path, "create queue.db", error);
    if directory.file(LOG).exists() {
        return Err(StorageError::damaged(
            path,
            FILE,
            "it is missing, and its log is there",
        ));
    }
    let new = directory.file(NEW_FILE);
    for suffix in ["", "-journal", "-wal"] {
        let mut left = new.clone().into_os_string();
        left.push(suffix);
        match fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unmade(error)),
            _ => {}
        }
    }
    make(&new).map_err(|error| fault(path, "create queue.db", error))?;
    fs::rename(&new, file).map_err(unmade)?;
    directory.sync().map_err(unmade)
}

fn make(file: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(file, flags() | OpenFlags::SQLITE_OPEN_CREATE)?;
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let tables = Family::ALL.map(|family| {
        format!(
            "CREATE TABLE \"{}\" (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;",
            family.name()
        )
    });
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {} PRAGMA application_id = {APPLICATION_ID}; \
         PRAGMA user_version = {LAYOUT}; COMMIT",
        tables.concat()
    ))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE
}

/// Whose file it is, by its first bytes: SQLite would do things to it.
fn check_header(path: &Path, directory: &Directory, file: &Path) -> Result<(), StorageError> {
    let damaged = |problem| StorageError::damaged(path, FILE, problem);
    let mut header = [0; 100];
    match File::open(file).and_then(|mut file| file.read_exact(&mut header)) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged("it is missing"));
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(damaged("it has no header"));
        }
        Err(error) => return Err(StorageError::of_file(path, "read queue.db", error)),
    }
    let number = |at: usize| {
        let [a, b, c, d] = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u32::from_be_bytes([a, b, c, d])
    };
    if !header.starts_with(b"SQLite format 3\0") && !directory.is_new() {
        return Err(damaged("it is no SQLite file any more"));
    }
    if number(68) != APPLICATION_ID {
        return Err(StorageError::Foreign {
            directory: path.to_owned(),
            found: format!("its {FILE} is not forebay's"),
        });
    }
    let version = number(60);
    if version != LAYOUT {
        return Err(StorageError::UnknownVersion {
            directory: path.to_owned(),
            part: format!("the file {FILE}"),
            version,
            known: LAYOUT,
        });
    }
    if u32::from(header[16]) << 8 | u32::from(header[17]) != PAGE_SIZE {
        return Err(damaged("its page size is not forebay's"));
    }
    Ok(())
}

fn check_log(path: &Path, directory: &Directory) -> Result<(), StorageError> {
    let log = wal::inspect(&directory.file(LOG), PAGE_SIZE, BOOKS_PAGE)
        .map_err(|error| StorageError::of_file(path, "read queue.db-wal", error))?;
    match log {
        Log::Sound => Ok(()),
        Log::Damaged { frame } => Err(StorageError::damaged(
            path,
            LOG,
            format!("frame {frame} cannot be read, and acknowledged batches follow it"),
        )),
    }
}

/// Opens the file without changing it: closing it again leaves the log.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags())?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Before the journal mode: then the log has no index in shared memory, which others could share.
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Darwin's fsync leaves data in the disk's cache; elsewhere these do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    // A log that one large batch has made longer gets short again.
    let limit = i64::from(CHECKPOINT_PAGES * PAGE_SIZE) * 2;
    connection.pragma_update_and_check(None, "journal_size_limit", limit, |_| Ok(()))?;
    if connection.is_readonly(MAIN_DB)? {
        return Err(Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY),
            None,
        ));
    }
    Ok(connection)
}

/// The number of the last fsynced batch, as it is stored.
fn books(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let statement = Statements::of(Family::Default).get;
    connection
        .query_row(&statement, [high_water::NUMBER], |row| row.get(0))
        .optional()
}

/// All is well: the log may go into the file. That also ends its cycle, so that what a crash left behind its end can never
/// be taken for a part of it.
fn settle(connection: Connection) -> rusqlite::Result<Connection> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    match checkpoint(&connection, "TRUNCATE") {
        // Later, then.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => Ok(connection),
        Err(error) => Err(error),
        Ok(()) => Ok(connection),
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<()> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
}

fn apply(
    connection: &Connection,
    statements: &[Statements],
    batch: &Batch,
    number: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let statements = |family: Family| &statements[family.index()];
    for operation in batch.operations() {
        match operation {
            Operation::Put { family, key, value } => connection
                .prepare_cached(&statements(*family).put)?
                .execute(params![key, value])?,
            Operation::Delete { family, key } => connection
                .prepare_cached(&statements(*family).delete)?
                .execute([key])?,
            Operation::DeleteRange { family, from, to } => connection
                .prepare_cached(&statements(*family).delete_range)?
                .execute([from, to])?,
        };
    }
    if let Some(number) = number {
        connection
            .prepare_cached(&statements(Family::Default).put)?
            .execute(params![high_water::NUMBER, number])?;
    }
    Ok(())
}

fn is_full(written: &rusqlite::Result<()>) -> bool {
    let code = written.as_ref().err().and_then(Error::sqlite_error_code);
    code == Some(ErrorCode::DiskFull)
}

/// What an error of SQLite means. Its texts name tables and columns, never a value.
fn fault(path: &Path, doing: &'static str, error: Error) -> StorageError {
    let directory = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::Full { directory },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StorageError::Locked { directory }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StorageError::damaged(path, FILE, error.to_string())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StorageError::ReadOnly {
            directory,
            source: error.into(),
        },
        Some(_) => StorageError::Io {
            directory,
            doing,
            source: error.into(),
        },
        None => match error {
            // A column of another type than was ever written, or a table that is gone.
            Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..) => {
                StorageError::damaged(path, FILE, "it holds what was never written")
            }
            error => StorageError::Io {
                directory,
                doing,
                source: error.into(),
            },
        },
    }
}
