use forebay_queue_core::Durability::{Buffered, Fsynced};
use forebay_queue_embedded::storage::{Batch, Family, Storage, StorageError};

use crate::subject::{Subject, folder};

fn row(key: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (key.to_vec(), value.to_vec())
}

fn all(storage: &dyn Storage, family: Family) -> Vec<(Vec<u8>, Vec<u8>)> {
    storage
        .scan(family, &[][..]..&[0xff; 8][..], usize::MAX)
        .unwrap()
}

pub(crate) fn rows_come_in_order_of_key_and_in_pages(subject: &Subject) {
    let folder = folder();
    let storage = subject.open(folder.path());
    let mut batch = Batch::new();
    let mut keys: Vec<_> = (0..=255_u8).map(|byte| vec![byte]).collect();
    keys.extend((0..=255_u8).map(|byte| vec![7, byte]));
    // Not in their order.
    for place in 0..keys.len() {
        let key = &keys[(place * 311) % keys.len()];
        batch.put(Family::State, key.clone(), key.clone());
    }
    storage.write(&batch, Fsynced).unwrap();
    keys.sort();
    let found = all(&*storage, Family::State);
    let found: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, keys);
    assert_eq!(all(&*storage, Family::Messages), []);

    let mut paged = Vec::new();
    let mut from = vec![];
    loop {
        let page = storage
            .scan(Family::State, &*from..&[0xff; 8][..], 100)
            .unwrap();
        let Some((last, _)) = page.last() else { break };
        assert!(page.len() <= 100);
        from = [&**last, &[0]].concat();
        paged.extend(page.into_iter().map(|(key, _)| key));
    }
    assert_eq!(paged, keys);

    let half_open = storage
        .scan(Family::State, &[7][..]..&[7, 2][..], 10)
        .unwrap();
    let expected = [
        row(&[7], &[7]),
        row(&[7, 0], &[7, 0]),
        row(&[7, 1], &[7, 1]),
    ];
    assert_eq!(half_open, expected);
    let empty = storage.scan(Family::State, &[9][..]..&[9][..], 10).unwrap();
    assert_eq!(empty, []);
    let backwards = storage.scan(Family::State, &[9][..]..&[8][..], 10).unwrap();
    assert_eq!(backwards, []);
    let none = storage.scan(Family::State, &[][..]..&[9][..], 0).unwrap();
    assert_eq!(none, []);
}

pub(crate) fn a_batch_is_done_in_its_order(subject: &Subject) {
    let folder = folder();
    let storage = subject.open(folder.path());
    let mut batch = Batch::new();
    batch
        .put(Family::State, vec![1], vec![1])
        .delete(Family::State, vec![1])
        .put(Family::State, vec![2], vec![1])
        .put(Family::State, vec![2], vec![2])
        .delete(Family::State, vec![3])
        .put(Family::State, vec![3], vec![3])
        .delete_range(Family::State, vec![3], vec![4])
        .put(Family::State, vec![3], vec![4])
        .put(Family::Queues, vec![2], vec![9]);
    storage.write(&batch, Fsynced).unwrap();
    let expected = [row(&[2], &[2]), row(&[3], &[4])];
    assert_eq!(all(&*storage, Family::State), expected);
    assert_eq!(storage.get(Family::State, &[1]).unwrap(), None);
    assert_eq!(storage.get(Family::Queues, &[2]).unwrap(), Some(vec![9]));
}

pub(crate) fn a_batch_with_an_error_leaves_nothing(subject: &Subject) {
    let folder = folder();
    let storage = subject.open(folder.path());
    let mut batch = Batch::new();
    batch.put(Family::State, vec![1], vec![1]);
    storage.write(&batch, Fsynced).unwrap();
    for (key, value) in [
        (vec![0; Batch::MAX_KEY + 1], vec![]),
        (vec![5], vec![0; Batch::MAX_VALUE + 1]),
    ] {
        let mut bad = Batch::new();
        bad.put(Family::Messages, vec![2], vec![2])
            .delete(Family::State, vec![1])
            .put(Family::Payloads, key, value)
            .put(Family::Leases, vec![2], vec![2]);
        let error = storage.write(&bad, Fsynced).unwrap_err();
        assert!(matches!(error, StorageError::TooLarge { .. }), "{error}");
    }
    assert_eq!(all(&*storage, Family::State), [row(&[1], &[1])]);
    for family in [Family::Messages, Family::Payloads, Family::Leases] {
        assert_eq!(all(&*storage, family), []);
    }
    // It is no reason to stop.
    storage.write(&batch, Fsynced).unwrap();
}

pub(crate) fn ranges_are_removed(subject: &Subject) {
    let folder = folder();
    let storage = subject.open(folder.path());
    let mut batch = Batch::new();
    for key in 0..10 {
        batch.put(Family::Keys, vec![key], vec![key]);
        batch.put(Family::Dead, vec![key], vec![key]);
    }
    storage.write(&batch, Fsynced).unwrap();
    let mut batch = Batch::new();
    batch
        .delete_range(Family::Keys, vec![2], vec![8])
        .delete_range(Family::Dead, vec![8], vec![2]);
    storage.write(&batch, Fsynced).unwrap();
    let left: Vec<_> = all(&*storage, Family::Keys)
        .into_iter()
        .map(|(key, _)| key[0])
        .collect();
    assert_eq!(left, [0, 1, 8, 9]);
    assert_eq!(all(&*storage, Family::Dead).len(), 10);
}

pub(crate) fn large_values_are_kept(subject: &Subject) {
    let folder = folder();
    let storage = subject.open(folder.path());
    let value: Vec<u8> = (0..5_000_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let key = vec![3; Batch::MAX_KEY];
    let mut batch = Batch::new();
    batch.put(Family::Payloads, key.clone(), value.clone());
    batch.put(Family::State, vec![], vec![]);
    storage.write(&batch, Fsynced).unwrap();
    assert!(storage.get(Family::Payloads, &key).unwrap() == Some(value));
    assert_eq!(storage.get(Family::State, &[]).unwrap(), Some(vec![]));
}

pub(crate) fn everything_is_there_after_reopening(subject: &Subject) {
    let folder = folder();
    // A directory that is not there yet.
    let path = folder.path().join("a").join("b");
    for round in 0..4_u8 {
        let storage = subject.open(&path);
        for family in Family::ALL {
            let keys = all(&*storage, family)
                .into_iter()
                .filter(|(key, _)| key.len() == 1)
                .map(|(key, value)| {
                    assert_eq!(value, [key[0]; 100]);
                    key[0]
                });
            assert_eq!(keys.collect::<Vec<_>>(), (0..round).collect::<Vec<_>>());
        }
        let mut batch = Batch::new();
        for family in Family::ALL {
            batch.put(family, vec![round], vec![round; 100]);
        }
        storage.write(&batch, Fsynced).unwrap();
        // Closed, or only dropped.
        if round % 2 == 0 {
            storage.close().unwrap();
            storage.close().unwrap();
        }
    }
}

pub(crate) fn buffered_batches_are_there_after_reopening(subject: &Subject) {
    let folder = folder();
    for round in 0..3_u8 {
        let storage = subject.open(folder.path());
        assert_eq!(all(&*storage, Family::State).len(), usize::from(round) * 2);
        for durability in [Buffered, Fsynced] {
            let mut batch = Batch::new();
            let key = vec![round, u8::from(durability == Fsynced)];
            batch.put(Family::State, key, vec![]);
            storage.write(&batch, durability).unwrap();
        }
        storage.write(&Batch::new(), Buffered).unwrap();
        storage.flush().unwrap();
    }
}

pub(crate) fn deleted_space_is_given_back(subject: &Subject) {
    let folder = folder();
    let storage = subject.open(folder.path());
    for key in 0..40_u8 {
        let mut batch = Batch::new();
        // Nothing that compresses well.
        let mut random = u64::from(key) + 1;
        let noise = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_le_bytes()[0]
        });
        batch.put(Family::Payloads, vec![key], noise.take(200_000).collect());
        storage.write(&batch, Fsynced).unwrap();
    }
    let large = storage.size().unwrap();
    assert!(large >= 8_000_000, "{large}");
    let mut batch = Batch::new();
    batch.delete_range(Family::Payloads, vec![1], vec![255]);
    storage.write(&batch, Fsynced).unwrap();
    storage.compact().unwrap();
    let small = storage.size().unwrap();
    assert!(small < large / 4, "{small} of {large}");
    assert_eq!(all(&*storage, Family::Payloads).len(), 1);
    storage.close().unwrap();
    let storage = subject.open(folder.path());
    assert_eq!(all(&*storage, Family::Payloads).len(), 1);
}
