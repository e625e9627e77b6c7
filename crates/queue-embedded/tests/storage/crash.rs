use std::fs;
use std::path::{Path, PathBuf};

use forebay_queue_core::Durability::Fsynced;

use crate::child::{Child, Role};
use crate::model::{self, Contents};
use crate::subject::{Subject, folder};

/// Kills a process that writes, again and again, on a store that grows.
fn kill_again_and_again(subject: &Subject, role: Role, rounds: u64) {
    let folder = folder();
    let mut reached = 0;
    for round in 0..rounds {
        let mut child = Child::start(role, subject, folder.path());
        let mut acknowledged = reached;
        for _ in 0..5 + round * 7 % 40 {
            acknowledged = child.wrote().expect("it writes until it is killed");
        }
        acknowledged = child.kill().unwrap_or(acknowledged);
        let store = subject.store(folder.path());
        let found = Contents::read(&store).unwrap();
        // The batch that was under way may be there, but whole.
        let batches = acknowledged..=acknowledged + 1;
        assert!(
            batches.contains(&found.batch),
            "{} of {batches:?}",
            found.batch
        );
        assert_eq!(found, Contents::after(found.batch));
        reached = found.batch;
    }
    println!("{}: {rounds} kills over {reached} batches", subject.name);
}

pub(crate) fn nothing_acknowledged_is_lost_when_the_process_is_killed(subject: &Subject) {
    kill_again_and_again(subject, Role::WriteFsynced, 10);
}

pub(crate) fn buffered_batches_outlive_the_process(subject: &Subject) {
    kill_again_and_again(subject, Role::WriteBuffered, 4);
}

/// The log of a store: in `RocksDB` the latest.
fn log(subject: &Subject, folder: &Path) -> PathBuf {
    if subject.name == "sqlite" {
        return folder.join("queue.db-wal");
    }
    let files = fs::read_dir(folder.join(subject.files)).unwrap();
    let logs = files
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "log"));
    logs.max().unwrap()
}

/// A crash in the middle of a batch: some of it has reached the disk, in any order, and nobody was told that it had.
pub(crate) fn a_torn_end_opens_with_all_before_it(subject: &Subject) {
    let whole = folder();
    let store = subject.store(whole.path());
    for number in 1..=7 {
        store.write(&model::batch(number), Fsynced).unwrap();
    }
    let mark = fs::read(whole.path().join("high-water")).unwrap();
    let log_of = log(subject, whole.path());
    let begins = usize::try_from(fs::metadata(&log_of).unwrap().len()).unwrap();
    store.write(&model::batch(8), Fsynced).unwrap();
    let bytes = fs::read(&log_of).unwrap();
    assert!(bytes.len() > begins + 4096, "the batch is in the log");
    let log_in = log_of.strip_prefix(whole.path()).unwrap();

    let step = (bytes.len() - begins) / 25 + 1;
    for start in (begins..bytes.len()).step_by(step) {
        for end in [start + 4096, usize::MAX] {
            let torn = folder();
            copy(whole.path(), torn.path());
            fs::write(torn.path().join("high-water"), &mark).unwrap();
            let mut left = bytes.clone();
            let end = end.min(bytes.len());
            left[start..end].fill(0);
            if left == bytes {
                // Nothing was there to lose.
                continue;
            }
            fs::write(torn.path().join(log_in), left).unwrap();
            let store = subject.store(torn.path());
            let found = Contents::read(&store).unwrap();
            assert_eq!(found, Contents::after(7), "{start} to {end}");
            // And goes on from there.
            store.write(&model::batch(8), Fsynced).unwrap();
            drop(store);
            let store = subject.store(torn.path());
            assert_eq!(Contents::read(&store).unwrap(), Contents::after(8));
        }
    }
}

/// An end that was acknowledged and is missing is no torn end, although the files look the same.
pub(crate) fn a_log_that_lost_its_end_is_refused(subject: &Subject) {
    let whole = folder();
    let store = subject.store(whole.path());
    for number in 1..=7 {
        store.write(&model::batch(number), Fsynced).unwrap();
    }
    let log_of = log(subject, whole.path());
    let begins = fs::metadata(&log_of).unwrap().len();
    store.write(&model::batch(8), Fsynced).unwrap();
    store.write(&model::batch(9), Fsynced).unwrap();
    let log_in = log_of.strip_prefix(whole.path()).unwrap();
    let cut = folder();
    copy(whole.path(), cut.path());
    let log = cut.path().join(log_in);
    let file = fs::File::options().write(true).open(&log).unwrap();
    file.set_len(begins).unwrap();
    // Again and again: it does not forget.
    for _ in 0..2 {
        let error = subject.refusal(cut.path());
        let text = error.to_string();
        assert!(error.is_damaged() && text.contains("missing"), "{text}");
        assert!(
            text.contains("(2)") && text.contains("high-water"),
            "{text}"
        );
    }
    if subject.name == "sqlite" {
        assert_eq!(fs::metadata(&log).unwrap().len(), begins, "the log is left");
    }
    // What the text says helps.
    fs::remove_file(cut.path().join("high-water")).unwrap();
    let store = subject.store(cut.path());
    assert_eq!(Contents::read(&store).unwrap(), Contents::after(7));
}

/// Copies the files of a folder, as a crash would leave them.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else if entry.file_name() != "reserve" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
