use std::thread;
use std::time::{Duration, Instant};

use forebay_queue_core::Durability::Fsynced;
use forebay_queue_core::{Random, SeededRandom};
use forebay_queue_embedded::storage::{Batch, StorageError, Store};

use crate::disk::Disk;
use crate::subject::{Subject, head, id, lease, queue};

/// How long a database may take to notice that there is room.
const LIMIT: Duration = Duration::from_secs(30);

/// Messages in one batch.
const BATCH: u64 = 128;

/// 1,000 bytes of a message's own that do not compress.
fn payload(number: u64) -> Vec<u8> {
    let random = SeededRandom::new(number);
    let bytes = (0..125).flat_map(|_| random.next_u64().to_be_bytes());
    bytes.collect()
}

/// Publishes a batch; its number is the number of its first message.
fn publish(store: &Store, first: u64) -> Result<(), StorageError> {
    let mut batch = Batch::new();
    for number in first..first + BATCH {
        batch.put_message(&queue("q"), &head("f", number, number), &payload(number));
    }
    store.write(&batch, Fsynced)
}

/// Hands a batch out, fails it once, and acks it.
fn settle(subject: &Subject, store: &Store, first: u64) -> Result<(), StorageError> {
    let limit = if subject.pauses_when_full {
        LIMIT
    } else {
        Duration::ZERO
    };
    let queue = queue("q");
    let numbers = first..first + BATCH;
    let mut leases = Batch::new().settling();
    let mut nacks = Batch::new().settling();
    let mut acks = Batch::new();
    for number in numbers {
        let lease = lease(number, 1);
        leases.put_lease(&queue, id(number), &lease, None);
        let mut head = head("f", number, number);
        head.attempt = 1;
        nacks.delete_lease(&queue, id(number), lease.until);
        nacks.update_message(&queue, &head);
        acks.delete_message(&queue, &head.message);
    }
    for batch in [leases, nacks, acks] {
        within(limit, || store.write(&batch, Fsynced))?;
    }
    Ok(())
}

/// Again until it is not full, for so long. An answer other than full is final.
fn within(
    limit: Duration,
    call: impl Fn() -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let start = Instant::now();
    loop {
        match call() {
            Err(error) if error.is_full() && start.elapsed() < limit => {}
            done => return done,
        }
        // tidy: sleep — a poll with a limit
        thread::sleep(Duration::from_millis(20));
    }
}

/// Publishes until the disk is full; answers the batches that were accepted.
fn publish_until_full(store: &Store) -> Vec<u64> {
    let mut accepted = Vec::new();
    for first in (0..).map(|batch| batch * BATCH) {
        match publish(store, first) {
            Ok(()) => accepted.push(first),
            Err(error) => {
                assert!(error.is_full(), "{error}");
                break;
            }
        }
    }
    accepted
}

fn count(store: &Store) -> u64 {
    let mut count = 0;
    let mut after = None;
    loop {
        let page = store.messages(&queue("q"), after.as_ref(), 1_000).unwrap();
        for (key, head) in &page {
            let payload = store.payload(key).unwrap().unwrap();
            assert!(payload == self::payload(head.sequence), "another payload");
            count += 1;
        }
        match page.last() {
            Some((key, _)) => after = Some(key.clone()),
            None => return count,
        }
    }
}

pub(crate) fn a_full_disk_refuses_publishes_takes_settlements_and_recovers(subject: &Subject) {
    let Some(disk) = Disk::new() else {
        return;
    };
    let path = disk.path().join("store");
    let store = subject.store(&path);
    let mut accepted = publish_until_full(&store);
    println!("{}: full after {} batches", subject.name, accepted.len());
    assert!(accepted.len() > 20);
    assert_eq!(count(&store), accepted.len() as u64 * BATCH);
    // Whatever publishes try, they do not get at what is kept back. Something may become free behind the scenes.
    let mut refused = 0;
    while refused < 50 {
        let first = accepted.len() as u64 * BATCH;
        let start = Instant::now();
        match publish(&store, first) {
            Ok(()) => accepted.push(first),
            Err(error) => {
                assert!(error.is_full(), "{error}");
                assert!(start.elapsed() < Duration::from_millis(500));
                refused += 1;
            }
        }
    }
    let start = Instant::now();
    settle(subject, &store, accepted[0]).unwrap();
    println!("{}: settles after {:?}", subject.name, start.elapsed());
    for first in &accepted[1..] {
        settle(subject, &store, *first).unwrap();
    }
    assert_eq!(count(&store), 0);
    // With nobody's help: what was settled made room.
    within(LIMIT, || publish(&store, 1 << 40)).unwrap();
    for batch in 1..10 {
        within(LIMIT, || publish(&store, (1 << 40) + batch * BATCH)).unwrap();
    }
    assert_eq!(count(&store), 10 * BATCH);
    store.storage().close().unwrap();
    drop(store);
    assert_eq!(count(&subject.store(&path)), 10 * BATCH);
}

pub(crate) fn a_disk_filled_by_others_has_room_again(subject: &Subject) {
    let Some(disk) = Disk::new() else {
        return;
    };
    let path = disk.path().join("store");
    let store = subject.store(&path);
    for batch in 0..10 {
        publish(&store, batch * BATCH).unwrap();
    }
    disk.fill();
    let mut accepted = 10;
    // There may be room inside its files.
    while accepted < 1_000 && publish(&store, accepted * BATCH).is_ok() {
        accepted += 1;
    }
    assert!(accepted < 1_000);
    settle(subject, &store, 0).unwrap();
    settle(subject, &store, BATCH).unwrap();
    disk.make_room();
    let start = Instant::now();
    within(LIMIT, || publish(&store, accepted * BATCH)).unwrap();
    println!("{}: publishes after {:?}", subject.name, start.elapsed());
    assert_eq!(count(&store), (accepted - 1) * BATCH);
    drop(store);
    let store = subject.store(&path);
    assert_eq!(count(&store), (accepted - 1) * BATCH);
    publish(&store, (accepted + 1) * BATCH).unwrap();
}

/// What was kept back was used up the first time, and others are quicker to take what became free: there is little but the
/// space that the files have already.
pub(crate) fn a_disk_filled_by_itself_and_then_by_others_takes_settlements(subject: &Subject) {
    let Some(disk) = Disk::new() else {
        return;
    };
    let path = disk.path().join("store");
    let store = subject.store(&path);
    for first in publish_until_full(&store) {
        settle(subject, &store, first).unwrap();
    }
    assert_eq!(count(&store), 0);
    disk.fill();
    store.storage().close().unwrap();
    drop(store);
    let store = subject.store(&path);
    let kept: Vec<u64> = (1..=3).map(|batch| (batch << 40) * BATCH).collect();
    for first in &kept {
        within(LIMIT, || publish(&store, *first)).unwrap();
    }
    disk.fill();
    for first in kept {
        settle(subject, &store, first).unwrap();
    }
    assert_eq!(count(&store), 0);
}

pub(crate) fn a_store_opens_on_a_full_disk(subject: &Subject) {
    let Some(disk) = Disk::new() else {
        return;
    };
    let path = disk.path().join("store");
    let store = subject.store(&path);
    for batch in 0..10 {
        publish(&store, batch * BATCH).unwrap();
    }
    store.storage().close().unwrap();
    drop(store);
    disk.fill();
    let store = subject.store(&path);
    assert_eq!(count(&store), 10 * BATCH);
    for batch in 0..10 {
        settle(subject, &store, batch * BATCH).unwrap();
    }
    assert_eq!(count(&store), 0);
    store.storage().close().unwrap();
    drop(store);
    disk.make_room();
    let store = subject.store(&path);
    assert_eq!(count(&store), 0);
    publish(&store, 0).unwrap();
}

/// The log may hold its 4 MB and one batch of the largest size more when there is no room for any of it in the file.
pub(crate) fn a_disk_full_of_large_batches_takes_settlements(subject: &Subject) {
    const LARGE: u64 = 16;
    let Some(disk) = Disk::new() else {
        return;
    };
    let store = subject.store(&disk.path().join("store"));
    let queue = queue("q");
    let publish = |first: u64| {
        let mut batch = Batch::new();
        for number in first..first + LARGE {
            let payload = payload(number).repeat(250);
            batch.put_message(&queue, &head("f", number, number), &payload);
        }
        store.write(&batch, Fsynced)
    };
    let mut accepted = Vec::new();
    let full = loop {
        let first = accepted.len() as u64 * LARGE;
        match publish(first) {
            Ok(()) => accepted.push(first),
            Err(error) => break error,
        }
    };
    assert!(full.is_full() && accepted.len() >= 2, "{full}");
    let limit = if subject.pauses_when_full {
        LIMIT
    } else {
        Duration::ZERO
    };
    for first in accepted {
        for number in first..first + LARGE {
            let mut batch = Batch::new();
            batch.delete_message(&queue, &head("f", number, number).message);
            within(limit, || store.write(&batch, Fsynced)).unwrap();
        }
    }
    within(LIMIT, || publish(0)).unwrap();
}
