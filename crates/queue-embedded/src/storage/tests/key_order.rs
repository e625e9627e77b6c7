use forebay_queue_core::{MessageId, QueueName, Timestamp};
use proptest::prelude::*;

use crate::storage::keys::{self, EndedKey, ExpiryKey, KnownKey, LeaseKey, MessageKey, StateKey};

fn queue() -> impl Strategy<Value = QueueName> {
    // Few letters and the separator's neighbours, so that names begin with one another.
    "[a-b0][a-b.-]{0,4}".prop_map(|name| QueueName::new(name).unwrap())
}

fn id() -> impl Strategy<Value = MessageId> {
    any::<[u8; 16]>().prop_map(MessageId::from_bytes)
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<u64>(), 0..3_u64].prop_map(Timestamp::from_nanos)
}

fn message_key() -> impl Strategy<Value = MessageKey> {
    (queue(), time(), id()).prop_map(|(queue, published_at, id)| MessageKey {
        queue,
        published_at,
        id,
    })
}

/// What the order of keys is to be: shorter names first, then by letter.
fn rank(text: &str) -> (usize, &str) {
    (text.len(), text)
}

proptest! {
    #[test]
    fn messages_lie_by_queue_time_and_id(a in message_key(), b in message_key()) {
        let place = |key: &MessageKey| {
            let (length, name) = rank(key.queue.as_str());
            (length, name.to_owned(), key.published_at, key.id)
        };
        prop_assert_eq!(a.encode().cmp(&b.encode()), place(&a).cmp(&place(&b)));
    }

    #[test]
    fn what_belongs_to_a_queue_lies_together_and_alone(
        a in message_key(),
        b in message_key(),
    ) {
        let encoded = b.encode();
        let queue = keys::beginning_with(keys::of_queue(&a.queue));
        prop_assert_eq!(queue.contains(&encoded), a.queue == b.queue);
    }

    #[test]
    fn ends_of_leases_lie_by_time(a in (time(), queue(), id()), b in (time(), queue(), id())) {
        let key = |(until, queue, id): &(Timestamp, QueueName, MessageId)| ExpiryKey {
            until: *until,
            queue: queue.clone(),
            id: *id,
        };
        let place = |(until, queue, id): &(Timestamp, QueueName, MessageId)| {
            let (length, name) = rank(queue.as_str());
            (*until, length, name.to_owned(), *id)
        };
        prop_assert_eq!(key(&a).encode().cmp(&key(&b).encode()), place(&a).cmp(&place(&b)));
        let before = b.0.as_nanos().to_be_bytes().to_vec();
        prop_assert_eq!(key(&a).encode() < before, a.0 < b.0);
    }

    #[test]
    fn ended_messages_lie_by_number(queue in queue(), a in (any::<u64>(), id()), b in (any::<u64>(), id())) {
        let key = |(number, id): (u64, MessageId)| {
            EndedKey { queue: queue.clone(), number, id }.encode()
        };
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
    }

    #[test]
    fn every_key_comes_back(message in message_key(), number in any::<u64>(), hash in any::<[u8; 16]>()) {
        prop_assert_eq!(&MessageKey::decode(&message.encode()).unwrap(), &message);
        let MessageKey { queue, published_at: until, id, .. } = message;
        let lease = LeaseKey { queue: queue.clone(), id };
        prop_assert_eq!(&LeaseKey::decode(&lease.encode()).unwrap(), &lease);
        let expiry = ExpiryKey { until, queue: queue.clone(), id };
        prop_assert_eq!(&ExpiryKey::decode(&expiry.encode()).unwrap(), &expiry);
        let ended = EndedKey { queue: queue.clone(), number, id };
        prop_assert_eq!(&EndedKey::decode(&ended.encode()).unwrap(), &ended);
        let known = KnownKey { queue: queue.clone(), hash };
        prop_assert_eq!(&KnownKey::decode(&known.encode()).unwrap(), &known);
        prop_assert_eq!(keys::queue_name(&keys::queue(&queue)).unwrap(), queue);
    }

    #[test]
    fn nothing_but_a_key_is_taken_for_one(
        message in message_key(),
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let encoded = message.encode();
        prop_assert!(MessageKey::decode(&encoded[..at.index(encoded.len())]).is_err());
        prop_assert!(MessageKey::decode(&[&*encoded, &[0]].concat()).is_err());
        // Whatever is read is written the same again: no two texts stand for one key.
        if let Ok(key) = MessageKey::decode(&bytes) {
            prop_assert_eq!(key.encode(), bytes.clone());
        }
        if let Ok(key) = LeaseKey::decode(&bytes) {
            prop_assert_eq!(key.encode(), bytes.clone());
        }
        if let Ok(key) = ExpiryKey::decode(&bytes) {
            prop_assert_eq!(key.encode(), bytes);
        }
    }

    #[test]
    fn a_prefix_ends_behind_all_that_begins_with_it(
        prefix in prop::collection::vec(prop_oneof![Just(u8::MAX), any::<u8>()], 1..4),
        key in prop::collection::vec(prop_oneof![Just(u8::MAX), any::<u8>()], 0..6),
    ) {
        prop_assume!(prefix.iter().any(|byte| *byte != u8::MAX));
        let range = keys::beginning_with(prefix.clone());
        prop_assert_eq!(range.contains(&key), key.starts_with(&prefix));
    }
}

#[test]
fn the_separator_is_looked_at() {
    let queue = QueueName::from_static("q");
    let id = MessageId::from_bytes([7; 16]);
    let mut key = LeaseKey { queue, id }.encode();
    assert_eq!(key[3], b':');
    key[3] = b';';
    let error = LeaseKey::decode(&key).unwrap_err().to_string();
    assert!(error.contains("separator"), "{error}");
}

#[test]
fn state_keys_have_a_limit_and_are_never_printed() {
    assert!(StateKey::new("").is_err());
    assert!(StateKey::new(&"x".repeat(StateKey::MAX + 1)).is_err());
    let key = StateKey::new("canary").unwrap();
    assert_eq!(format!("{key:?}"), "StateKey(6 bytes)");
    assert_eq!(StateKey::decode(&key.encode()).unwrap(), key);
}
