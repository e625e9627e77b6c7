//! Flipped bits and files cut short (R17): each time on a fresh copy of a store whose process was killed.
//!
//! What may happen: it is refused when it is opened, noticed when it is read, or everything is right because the damage
//! hit nothing that is in use. What may never happen: a panic, or a payload or head that was never written.
//!
//! What may happen seldom, and is counted: that rows are missing without a word. Neither database guards the structure of
//! its files completely (SQLite has no checksums of its own, so that a page whose count of cells shrinks by a flipped bit
//! loses rows that nothing misses).

use std::fs;
use std::path::{Path, PathBuf};

use forebay_queue_core::{Random, SeededRandom};
use forebay_queue_embedded::storage::{StorageError, Store};

use crate::child::{Child, Role};
use crate::crash::copy;
use crate::model::Contents;
use crate::subject::{Subject, folder};

const FLIPS: usize = 200;
const CUTS: usize = 100;

#[derive(Debug, Default)]
struct Tally {
    whole: usize,
    refused: usize,
    noticed: usize,
    silent: Vec<String>,
}

pub(crate) fn damaged_files_are_refused_or_noticed(subject: &Subject) {
    let base = folder();
    let mut child = Child::start(Role::WriteFsynced, subject, base.path());
    while child.wrote().expect("it writes until it is killed") < 60 {}
    child.kill();
    let files = files(base.path(), base.path());
    // As it is, undamaged.
    let fresh = folder();
    copy(base.path(), fresh.path());
    let reached = Contents::read(&subject.store(fresh.path())).unwrap().batch;
    let expected = Contents::after(reached);

    let random = SeededRandom::new(17);
    let mut tally = Tally::default();
    for round in 0..FLIPS + CUTS {
        let fresh = folder();
        copy(base.path(), fresh.path());
        // Half of them where the bytes are, half in any file: the small ones matter too.
        let file = if round % 2 == 0 {
            by_size(&files, &random)
        } else {
            &files[below(&random, files.len())].0
        };
        let path = fresh.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        let place = below(&random, bytes.len());
        let what = if round < FLIPS {
            bytes[place] ^= 1 << below(&random, 8);
            "a bit flipped"
        } else {
            bytes.truncate(place);
            "cut short"
        };
        fs::write(&path, bytes).unwrap();
        let what = || format!("{}: {what} at {place}", file.display());
        match subject.try_open(fresh.path()) {
            Err(error) => {
                assert_names(&error, fresh.path());
                tally.refused += 1;
            }
            Ok(storage) => {
                let store = Store::new(storage);
                match Contents::read(&store) {
                    Err(error) => {
                        assert_names(&error, fresh.path());
                        tally.noticed += 1;
                    }
                    Ok(found) if found == expected => tally.whole += 1,
                    Ok(found) => tally.silent.push(format!(
                        "{}: batch {} of {reached}{}",
                        what(),
                        found.batch,
                        if found == Contents::after(found.batch) {
                            ", a prefix"
                        } else {
                            ", holes"
                        }
                    )),
                }
            }
        }
    }
    println!("{}: {tally:#?}", subject.name);
    assert!(tally.silent.len() <= subject.silent, "{tally:#?}");
    // The harness damages what matters.
    assert!(
        tally.refused >= 30 && tally.refused + tally.noticed >= 90,
        "{tally:#?}"
    );
}

/// Every error names the directory.
fn assert_names(error: &StorageError, folder: &Path) {
    let text = error.to_string();
    assert!(text.contains(folder.to_str().unwrap()), "{text}");
}

/// All files below a folder that hold something, with their sizes; without the lock and the reserve.
fn files(root: &Path, folder: &Path) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(root, &path));
            continue;
        }
        let bytes = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        if bytes > 0 && !path.ends_with("reserve") {
            found.push((path.strip_prefix(root).unwrap().to_owned(), bytes));
        }
    }
    found.sort();
    found
}

fn by_size<'a>(files: &'a [(PathBuf, usize)], random: &SeededRandom) -> &'a Path {
    let mut place = below(random, files.iter().map(|(_, bytes)| bytes).sum());
    for (path, bytes) in files {
        if place < *bytes {
            return path;
        }
        place -= bytes;
    }
    unreachable!("the place is below the sum")
}

fn below(random: &SeededRandom, limit: usize) -> usize {
    usize::try_from(random.next_u64() % limit as u64).unwrap()
}
