use std::collections::BTreeMap;
use std::time::Instant;

use forebay_queue_core::{Environment, QueueName, State};
use forebay_queue_engine::{Engine, Live, Over, Restore};

use crate::storage::records::Place;
use crate::storage::{QueueState, StorageError, Store};

/// Rows read at once.
const PAGE: usize = 4_096;

/// What was found in a store.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    messages: u64,
    scheduled: u64,
    leases: u64,
    dead: u64,
    done: u64,
    keys: u64,
    states: u64,
}

/// Makes the queues of what is kept about them, without their payloads, and says in one line what was found.
///
/// # Errors
/// [`StorageError`] for the first record that cannot be read.
pub(crate) fn recover(
    store: &Store,
    environment: &Environment,
) -> Result<Vec<(QueueName, Engine)>, StorageError> {
    let start = Instant::now();
    let mut found = Found::default();
    let mut states: BTreeMap<QueueName, Vec<QueueState>> = BTreeMap::new();
    for (queue, state) in store.queue_states()? {
        found.states += 1;
        states.entry(queue).or_default().push(state);
    }
    let mut queues = Vec::new();
    let configs =
        pages(|last: Option<&(QueueName, _)>| store.queues(last.map(|(name, _)| name), PAGE));
    for page in configs {
        for (queue, config) in page? {
            let mut restore = Restore::new(config, environment.random().next_u64());
            for state in states.remove(&queue).unwrap_or_default() {
                match state {
                    QueueState::Share(key, share) => restore.share(&key, share),
                    QueueState::Bucket(key, level) => restore.bucket(&key, &level),
                    QueueState::Paused => restore.paused(true),
                    QueueState::DeadDropped(dropped) => restore.dead_dropped(dropped),
                }
            }
            read(store, &queue, &mut restore, &mut found)?;
            queues.push((queue, restore.finish(environment.now())));
        }
    }
    tracing::info!(
        directory = %store.storage().directory().display(),
        queues = queues.len(),
        messages = found.messages,
        scheduled = found.scheduled,
        leases = found.leases,
        dead_letters = found.dead,
        ended = found.done,
        idempotency_keys = found.keys,
        rules = found.states,
        took = ?start.elapsed(),
        "recovered"
    );
    Ok(queues)
}

fn read(
    store: &Store,
    queue: &QueueName,
    restore: &mut Restore,
    found: &mut Found,
) -> Result<(), StorageError> {
    for page in pages(|last: Option<&(_, _)>| store.messages(queue, last.map(|(key, _)| key), PAGE))
    {
        for (_, head) in page? {
            found.messages += 1;
            found.scheduled += u64::from(matches!(head.place, Place::Scheduled(_)));
            restore.live(Live::from(head));
        }
    }
    for page in pages(|last: Option<&(_, _)>| store.leases(queue, last.map(|(id, _)| *id), PAGE)) {
        for (id, lease) in page? {
            found.leases += 1;
            restore.lease(id, lease.into());
        }
    }
    for (state, count) in [
        (State::Dead, &mut found.dead),
        (State::Done, &mut found.done),
    ] {
        let ended = pages(|last: Option<&(_, _)>| {
            store.all_ended(queue, state, last.map(|(number, _)| *number), PAGE)
        });
        for page in ended {
            for (number, ended) in page? {
                *count += 1;
                restore.over(number, Over::from(ended));
            }
        }
    }
    for page in pages(|last: Option<&(_, _)>| store.keys(queue, last.map(|(hash, _)| hash), PAGE)) {
        for (hash, known) in page? {
            found.keys += 1;
            restore.key(hash, known);
        }
    }
    Ok(())
}

/// One page after the other, each behind what the last one ended with, until one is empty.
fn pages<T: Clone>(
    read: impl Fn(Option<&T>) -> Result<Vec<T>, StorageError>,
) -> impl Iterator<Item = Result<Vec<T>, StorageError>> {
    let mut last = None;
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let page = read(last.as_ref());
        is_over = page.as_ref().map_or(true, |page| page.len() < PAGE);
        if let Ok(page) = &page {
            last = page.last().cloned();
        }
        Some(page)
    })
}
