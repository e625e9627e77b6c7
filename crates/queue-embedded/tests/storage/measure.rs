use std::time::Instant;

use forebay_queue_core::Durability::{Buffered, Fsynced};
use forebay_queue_embedded::storage::Batch;

use crate::subject::{Subject, head, queue};

/// Not a pass or a fail: numbers for whoever asks.
pub(crate) fn speed(subject: &Subject) {
    const BATCHES: u64 = 2_000;
    const HEADS: u64 = 1_000_000;
    // On a real disk, so that a sync costs what it costs.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = subject.store(folder.path());
    let queue = queue("q");
    let payload = [7; 300];
    for durability in [Fsynced, Buffered] {
        let mut times = Vec::new();
        let start = Instant::now();
        for batch in 0..BATCHES {
            let mut changes = Batch::new();
            for place in 0..128 {
                let number = batch * 128 + place;
                changes.put_message(&queue, &head("f", number, number), &payload);
            }
            let write = Instant::now();
            store.write(&changes, durability).unwrap();
            times.push(write.elapsed());
        }
        let all = start.elapsed();
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!(
            "{}: {durability}: {BATCHES} batches of 128 × 300 B: {} messages/s, write p50 {:?} p99 {:?} max {:?}",
            subject.name,
            u128::from(BATCHES * 128) * 1_000 / all.as_millis(),
            at(50),
            at(99),
            at(100),
        );
    }
    let have = BATCHES * 128;
    for first in (have..HEADS).step_by(1_000) {
        let mut changes = Batch::new();
        for number in first..(first + 1_000).min(HEADS) {
            changes.put_message(&queue, &head("f", number, number), &payload);
        }
        store.write(&changes, Buffered).unwrap();
    }
    println!(
        "{}: {} MB",
        subject.name,
        store.storage().size().unwrap() >> 20
    );
    let start = Instant::now();
    drop(store);
    println!("{}: closed in {:?}", subject.name, start.elapsed());
    let start = Instant::now();
    let store = subject.store(folder.path());
    println!("{}: opened in {:?}", subject.name, start.elapsed());
    let start = Instant::now();
    let (mut after, mut count) = (None, 0);
    loop {
        let page = store.messages(&queue, after.as_ref(), 10_000).unwrap();
        count += page.len();
        match page.last() {
            Some((key, _)) => after = Some(key.clone()),
            None => break,
        }
    }
    println!(
        "{}: {count} heads read in {:?}",
        subject.name,
        start.elapsed()
    );
}
