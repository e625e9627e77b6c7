//! Batches of which each can be made again from its number, and what a store holds after so many of them.

use forebay_queue_core::{FairnessKey, Kind, Message, NewMessage, QueueName, State, Timestamp};
use forebay_queue_embedded::storage::keys::{MessageKey, StateKey};
use forebay_queue_embedded::storage::records::{Ended, Head};
use forebay_queue_embedded::storage::{Batch, Family, StorageError, Store};

use crate::subject::{id, lease, queue};

/// How many messages are read at once.
const PAGE: usize = 500;

/// What a store holds, by the numbers of messages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The last batch that it says it has.
    pub(crate) batch: u64,
    live: Vec<u64>,
    dead: Vec<(u64, u64)>,
    leased: Vec<u64>,
    ends: usize,
    payloads: usize,
}

fn name() -> QueueName {
    queue("q")
}

fn last() -> StateKey {
    StateKey::new("batch").unwrap()
}

fn size(batch: u64) -> u64 {
    16 + batch % 7 * 8
}

fn number(batch: u64, place: u64) -> u64 {
    batch * 1_000 + place
}

/// 300 bytes that belong to this message alone.
fn payload(number: u64) -> Vec<u8> {
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(300).collect()
}

fn head(batch: u64, place: u64) -> Head {
    let number = number(batch, place);
    let fairness_key = FairnessKey::new(format!("f{}", place % 3)).unwrap();
    let new =
        NewMessage::new(Kind::from_static("k"), payload(number)).with_fairness_key(fairness_key);
    let message = Message::accept(new, id(number), Timestamp::from_nanos(batch * 10));
    Head::new(&message, number)
}

/// The batch of that number: messages come, of earlier ones some are acked, one is dead, and one lease is passed on.
pub(crate) fn batch(batch: u64) -> Batch {
    let queue = name();
    let mut changes = Batch::new();
    for place in 0..size(batch) {
        let bytes = payload(number(batch, place));
        changes.put_message(&queue, &head(batch, place), &bytes);
    }
    if let Some(acked) = batch.checked_sub(2).filter(|acked| *acked > 0) {
        for place in (0..size(acked)).step_by(3) {
            changes.delete_message(&queue, &head(acked, place).message);
        }
    }
    if let Some(before) = batch.checked_sub(1).filter(|before| *before > 0) {
        let ended = Ended {
            head: head(before, 1),
            state: State::Dead,
            at: Timestamp::from_nanos(batch),
        };
        changes.end_message(&queue, before, &ended);
        changes.delete_lease(&queue, id(number(before, 2)), lease(before, 1).until);
    }
    changes.put_lease(&queue, id(number(batch, 2)), &lease(batch, 1), None);
    changes.put_state(&last(), &batch.to_be_bytes());
    changes
}

/// The number of the last batch that a store says it has.
pub(crate) fn reached(store: &Store) -> Result<u64, StorageError> {
    let state = store.state(&last())?;
    let number = state.map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    Ok(number.unwrap_or(0))
}

impl Contents {
    /// What has to be there after so many batches.
    pub(crate) fn after(last: u64) -> Self {
        let is_live = |batch, place: u64| {
            let is_acked = place.is_multiple_of(3) && batch + 2 <= last;
            let is_dead = place == 1 && batch < last;
            !is_acked && !is_dead
        };
        let mut live = Vec::new();
        for batch in 1..=last {
            let places = (0..size(batch)).filter(|place| is_live(batch, *place));
            live.extend(places.map(|place| number(batch, place)));
        }
        let dead: Vec<_> = (1..last).map(|batch| (batch, number(batch, 1))).collect();
        Self {
            batch: last,
            payloads: live.len() + dead.len(),
            live,
            leased: Vec::from_iter((last > 0).then(|| number(last, 2))),
            ends: usize::from(last > 0),
            dead,
        }
    }

    /// What is there. Whatever can be read at all has to be right: a wrong payload is no answer.
    ///
    /// # Panics
    /// For a payload or a head that was never written.
    pub(crate) fn read(store: &Store) -> Result<Self, StorageError> {
        let queue = name();
        let mut live = Vec::new();
        let mut payloads = 0;
        let mut after: Option<MessageKey> = None;
        loop {
            let page = store.messages(&queue, after.as_ref(), PAGE)?;
            for (key, found) in &page {
                payloads += check(store, key, found)?;
                live.push(found.sequence);
            }
            match page.last() {
                Some((key, _)) => after = Some(key.clone()),
                None => break,
            }
        }
        live.sort_unstable();
        let mut dead = Vec::new();
        for (end, ended) in store.all_ended(&queue, State::Dead, None, usize::MAX)? {
            payloads += check(store, &ended.head.key(&queue), &ended.head)?;
            dead.push((end, ended.head.sequence));
        }
        let mut leased = Vec::new();
        for (id, found) in store.leases(&queue, None, usize::MAX)? {
            let number = u64::from_be_bytes(id.as_bytes()[8..].try_into().unwrap());
            assert_eq!(found, lease(number / 1_000, 1), "a lease never written");
            leased.push(number);
        }
        let ends = store.expired_leases(Timestamp::MAX, usize::MAX)?.len();
        // Payloads without a message count too.
        let end = [0xff; 9];
        let rows = store
            .storage()
            .scan(Family::Payloads, &[][..]..&end[..], usize::MAX)?;
        Ok(Self {
            batch: reached(store)?,
            live,
            dead,
            leased,
            ends,
            payloads: if rows.len() == payloads {
                payloads
            } else {
                usize::MAX
            },
        })
    }
}

/// Whether the payload is there; that it and the head are the right ones is asserted.
fn check(store: &Store, key: &MessageKey, found: &Head) -> Result<usize, StorageError> {
    let expected = head(found.sequence / 1_000, found.sequence % 1_000);
    assert_eq!(*found, expected, "a head never written");
    let Some(bytes) = store.payload(key)? else {
        return Ok(0);
    };
    assert!(bytes == payload(found.sequence), "a payload never written");
    Ok(1)
}
