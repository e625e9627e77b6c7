use std::fs;
use std::path::Path;

use forebay_queue_core::Durability::Fsynced;
use forebay_queue_embedded::storage::{Batch, Family, Storage, StorageError};

use crate::child::{Child, Role};
use crate::disk::Disk;
use crate::subject::{Subject, folder};

const MANIFEST: &str = "forebay.store";

fn put(storage: &dyn Storage, key: u8) {
    let mut batch = Batch::new();
    batch.put(Family::State, vec![key], vec![key]);
    storage.write(&batch, Fsynced).unwrap();
}

fn make(subject: &Subject, folder: &Path) {
    let storage = subject.open(folder);
    put(&*storage, 1);
    storage.close().unwrap();
}

/// Every refusal names the directory.
fn assert_names(error: &StorageError, folder: &Path) {
    let text = error.to_string();
    assert!(text.contains(folder.to_str().unwrap()), "{text}");
}

/// Names and contents, to see that nothing was changed.
fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let mut files: Vec<_> = files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap_or_default())
        })
        .collect();
    files.sort();
    files
}

pub(crate) fn one_handle_at_a_time(subject: &Subject) {
    let folder = folder();
    let first = subject.open(folder.path());
    put(&*first, 1);
    let error = subject.refusal(folder.path());
    assert!(matches!(error, StorageError::Locked { .. }), "{error}");
    assert_names(&error, folder.path());
    put(&*first, 2);
    assert_eq!(first.get(Family::State, &[1]).unwrap(), Some(vec![1]));
    drop(first);
    let second = subject.open(folder.path());
    assert_eq!(second.get(Family::State, &[2]).unwrap(), Some(vec![2]));
}

pub(crate) fn one_process_at_a_time(subject: &Subject) {
    let folder = folder();
    let first = subject.open(folder.path());
    for key in 0..3 {
        put(&*first, key);
        let mut second = Child::start(Role::Open, subject, folder.path());
        assert_eq!(second.says().as_deref(), Some("locked"));
    }
    first.close().unwrap();
    let mut second = Child::start(Role::Open, subject, folder.path());
    assert_eq!(second.says().as_deref(), Some("opened"));
}

pub(crate) fn a_closed_store_says_so(subject: &Subject) {
    let folder = folder();
    let storage = subject.open(folder.path());
    put(&*storage, 1);
    storage.close().unwrap();
    storage.close().unwrap();
    let mut batch = Batch::new();
    batch.delete(Family::State, vec![1]);
    let answers = [
        storage.get(Family::State, &[1]).unwrap_err(),
        storage
            .scan(Family::State, &[1][..]..&[2][..], 1)
            .unwrap_err(),
        storage.write(&batch, Fsynced).unwrap_err(),
        storage
            .write(&Batch::new(), forebay_queue_core::Durability::Buffered)
            .map_or_else(|error| error, |()| panic!("it was written")),
        storage.compact().unwrap_err(),
        storage.size().unwrap_err(),
        storage.flush().unwrap_err(),
    ];
    for error in answers {
        assert!(matches!(error, StorageError::Closed { .. }), "{error}");
        assert_names(&error, folder.path());
    }
    assert_eq!(storage.directory(), folder.path());
    // Others may have it, although this handle is still there.
    let other = subject.open(folder.path());
    assert_eq!(other.get(Family::State, &[1]).unwrap(), Some(vec![1]));
}

pub(crate) fn foreign_directories_are_left_alone(subject: &Subject) {
    let stranger = folder();
    fs::write(stranger.path().join("notes.txt"), "mine").unwrap();
    let database = folder();
    (subject.make_foreign)(database.path());
    let manifest = folder();
    fs::write(manifest.path().join(MANIFEST), "hello\n").unwrap();
    for folder in [&stranger, &database, &manifest] {
        let before = listing(folder.path());
        let error = subject.refusal(folder.path());
        assert!(matches!(error, StorageError::Foreign { .. }), "{error}");
        assert_names(&error, folder.path());
        let mut after = listing(folder.path());
        // A name of ours: only a closer look told that it is not.
        after.retain(|(name, _)| name != "lock");
        assert_eq!(after, before);
    }
    let file = stranger.path().join("notes.txt");
    for path in [&file, &file.join("below")] {
        let error = subject.refusal(path);
        assert!(matches!(error, StorageError::Foreign { .. }), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

fn with_manifest(subject: &Subject, from: &str, to: &str) -> StorageError {
    let folder = folder();
    make(subject, folder.path());
    let path = folder.path().join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).unwrap();
    let before = listing(folder.path());
    let error = subject.refusal(folder.path());
    assert_names(&error, folder.path());
    assert_eq!(listing(folder.path()), before);
    error
}

pub(crate) fn a_store_of_another_database_is_refused(subject: &Subject) {
    let error = with_manifest(subject, subject.name, "other");
    assert!(matches!(error, StorageError::Foreign { .. }), "{error}");
    let error = with_manifest(subject, "database", "");
    assert!(error.is_damaged(), "{error}");
}

pub(crate) fn a_newer_layout_is_refused(subject: &Subject) {
    let error = with_manifest(subject, "layout 1", "layout 2");
    let StorageError::UnknownVersion { version, known, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((version, known), (2, 1));
    let error = with_manifest(subject, "layout 1", "layout one");
    assert!(error.is_damaged(), "{error}");
}

pub(crate) fn a_missing_file_is_damage(subject: &Subject) {
    let folder = folder();
    make(subject, folder.path());
    let files = folder.path().join(subject.files);
    if files.is_dir() {
        fs::remove_dir_all(files).unwrap();
    } else {
        fs::remove_file(files).unwrap();
    }
    let error = subject.refusal(folder.path());
    assert!(error.is_damaged(), "{error}");
    assert!(error.to_string().contains(subject.files), "{error}");
}

pub(crate) fn a_half_made_store_is_made_anew(subject: &Subject) {
    let folder = folder();
    // What a crash leaves before there is a database.
    for left in ["lock", "forebay.store.new", "high-water", "reserve"] {
        fs::write(folder.path().join(left), "half").unwrap();
    }
    make(subject, folder.path());
    // And after, before it says so.
    fs::remove_file(folder.path().join(MANIFEST)).unwrap();
    let storage = subject.open(folder.path());
    assert_eq!(storage.get(Family::State, &[1]).unwrap(), Some(vec![1]));
    assert!(folder.path().join(MANIFEST).exists());
}

pub(crate) fn a_read_only_directory_is_refused(subject: &Subject) {
    let Some(disk) = Disk::new() else {
        return;
    };
    let there = disk.path().join("there");
    make(subject, &there);
    disk.read_only();
    for path in [&there, &disk.path().join("new")] {
        let error = subject.refusal(path);
        assert!(matches!(error, StorageError::ReadOnly { .. }), "{error}");
        assert_names(&error, path);
    }
}
