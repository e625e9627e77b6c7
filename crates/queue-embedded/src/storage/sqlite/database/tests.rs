use std::sync::Arc;

use forebay_queue_core::Durability::Fsynced;
use tempfile::TempDir;

use super::*;
use crate::storage::{SqliteStorage, Storage};

fn put(batch: &mut Batch, family: Family, key: u8, bytes: usize) {
    batch.put(family, vec![key], vec![key; bytes]);
}

fn raw(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join(FILE)).unwrap()
}

#[test]
fn an_error_in_the_middle_of_a_batch_leaves_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    SqliteStorage::open(folder.path()).unwrap().close().unwrap();
    raw(&folder)
        .execute_batch(
            "CREATE TRIGGER t BEFORE INSERT ON state WHEN new.k = x'02'
             BEGIN SELECT RAISE(ABORT, 'on purpose'); END",
        )
        .unwrap();
    let storage = SqliteStorage::open(folder.path()).unwrap();
    let mut good = Batch::new();
    put(&mut good, Family::Messages, 1, 10);
    storage.write(&good, Fsynced).unwrap();
    let mut bad = Batch::new();
    put(&mut bad, Family::Messages, 2, 10);
    bad.delete(Family::Messages, vec![1]);
    put(&mut bad, Family::State, 2, 10);
    put(&mut bad, Family::Leases, 2, 10);
    let error = storage.write(&bad, Fsynced).unwrap_err();
    assert!(matches!(error, StorageError::Io { .. }), "{error}");
    let error = storage.write(&good, Fsynced).unwrap_err();
    assert!(matches!(error, StorageError::Failed { .. }), "{error}");
    drop(storage);
    let storage = SqliteStorage::open(folder.path()).unwrap();
    for family in [Family::Messages, Family::State, Family::Leases] {
        assert_eq!(storage.get(family, &[2]).unwrap(), None, "{family:?}");
    }
    assert_eq!(
        storage.get(Family::Messages, &[1]).unwrap(),
        Some(vec![1; 10])
    );
    storage.write(&good, Fsynced).unwrap();
}

#[test]
fn settings_are_what_durability_rests_on() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path()).unwrap();
    let file = storage.file.lock();
    let connection = &file.as_ref().unwrap().connection;
    let text = |pragma| -> String {
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    let number = |pragma| -> i64 {
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    assert_eq!(text("journal_mode"), "wal");
    assert_eq!(text("locking_mode"), "exclusive");
    assert_eq!(number("synchronous"), 2);
    assert_eq!(number("page_size"), 8192);
    assert_eq!(number("wal_autocheckpoint"), 512);
    assert_eq!(number("busy_timeout"), 0);
    assert_eq!(number("application_id"), 0x6662_6179);
    assert_eq!(number("user_version"), 1);
}

#[test]
fn the_level_follows_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path()).unwrap();
    let mut batch = Batch::new();
    put(&mut batch, Family::State, 1, 10);
    for (durability, level) in [
        (forebay_queue_core::Durability::Buffered, 1),
        (Fsynced, 2),
        (forebay_queue_core::Durability::Memory, 1),
        (forebay_queue_core::Durability::Replicated(1), 2),
    ] {
        storage.write(&batch, durability).unwrap();
        let file = storage.file.lock();
        let connection = &file.as_ref().unwrap().connection;
        let found: i64 = connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap();
        assert_eq!(found, level, "{durability}");
    }
}

#[test]
fn the_page_of_the_books_stays_where_the_log_is_told_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path()).unwrap();
    let mut batch = Batch::new();
    for key in 0..100 {
        put(&mut batch, Family::Payloads, key, 10_000);
    }
    storage.write(&batch, Fsynced).unwrap();
    let root = |folder| -> u32 {
        raw(folder)
            .query_row(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'default'",
                [],
                |row| row.get(0),
            )
            .unwrap()
    };
    storage.close().unwrap();
    assert_eq!(root(&folder), BOOKS_PAGE);
    let storage = SqliteStorage::open(folder.path()).unwrap();
    storage.compact().unwrap();
    storage.close().unwrap();
    assert_eq!(root(&folder), BOOKS_PAGE);
}

/// Where no small disk can be mounted, SQLite's own limit stands for one.
#[test]
fn a_full_file_refuses_publishes_and_takes_settlements() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(SqliteStorage::open(folder.path()).unwrap());
    {
        let file = storage.file.lock();
        let connection = &file.as_ref().unwrap().connection;
        connection
            .pragma_update_and_check(None, "max_page_count", 1_000, |_| Ok(()))
            .unwrap();
    }
    let mut kept = Vec::new();
    let full = loop {
        let key = u16::try_from(kept.len()).unwrap().to_be_bytes().to_vec();
        let mut batch = Batch::new();
        batch.put(Family::Payloads, key.clone(), vec![7; 20_000]);
        match storage.write(&batch, Fsynced) {
            Ok(()) => kept.push(key),
            Err(error) => break error,
        }
    };
    assert!(full.is_full(), "{full}");
    assert!(kept.len() > 200, "{}", kept.len());
    for key in &kept {
        let value = storage.get(Family::Payloads, key).unwrap();
        assert_eq!(value, Some(vec![7; 20_000]));
        let mut batch = Batch::new();
        batch.delete(Family::Payloads, key.clone());
        storage.write(&batch, Fsynced).unwrap();
    }
    let mut batch = Batch::new();
    put(&mut batch, Family::Payloads, 1, 20_000);
    storage.write(&batch, Fsynced).unwrap();
}

#[test]
fn a_file_of_a_newer_layout_or_another_owner_is_left_alone() {
    for (pragma, value) in [("user_version", 2), ("application_id", 7)] {
        let folder = tempfile::tempdir().unwrap();
        SqliteStorage::open(folder.path()).unwrap().close().unwrap();
        let connection = raw(&folder);
        connection.pragma_update(None, pragma, value).unwrap();
        connection.close().unwrap();
        let before = fs::read(folder.path().join(FILE)).unwrap();
        let error = SqliteStorage::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains(FILE), "{error}");
        match pragma {
            "user_version" => assert!(matches!(
                error,
                StorageError::UnknownVersion {
                    version: 2,
                    known: 1,
                    ..
                }
            )),
            _ => assert!(matches!(error, StorageError::Foreign { .. })),
        }
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), before);
    }
}

#[test]
fn a_damaged_log_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path()).unwrap();
    for key in 0..6 {
        let mut batch = Batch::new();
        put(&mut batch, Family::Payloads, key, 1_000);
        storage.write(&batch, Fsynced).unwrap();
    }
    // As a crash leaves it.
    let copy = tempfile::tempdir().unwrap();
    for name in [FILE, LOG, "forebay.store"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let log = copy.path().join(LOG);
    let mut bytes = fs::read(&log).unwrap();
    bytes[9_000] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let file = fs::read(copy.path().join(FILE)).unwrap();
    let error = SqliteStorage::open(copy.path()).unwrap_err();
    let text = error.to_string();
    assert!(error.is_damaged() && text.contains(LOG), "{text}");
    assert_eq!(fs::read(&log).unwrap(), bytes);
    assert_eq!(fs::read(copy.path().join(FILE)).unwrap(), file);
    bytes[9_000] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let storage = SqliteStorage::open(copy.path()).unwrap();
    let value = storage.get(Family::Payloads, &[5]).unwrap();
    assert_eq!(value, Some(vec![5; 1_000]));
}

#[test]
fn others_cannot_look_in_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path()).unwrap();
    let mut batch = Batch::new();
    put(&mut batch, Family::State, 1, 10);
    storage.write(&batch, Fsynced).unwrap();
    let other = raw(&folder);
    other.busy_timeout(Duration::ZERO).unwrap();
    let refused = other
        .query_row("SELECT count(*) FROM state", [], |row| row.get::<_, i64>(0))
        .unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    drop(other);
    storage.write(&batch, Fsynced).unwrap();
}
