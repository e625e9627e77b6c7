use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use forebay_queue_core::{
    ErrorRecord, FairnessKey, Fingerprint, Headers, IdempotencyKey, Kind, Message, MessageId,
    NewMessage, QueueConfig, QueueName, State, ThrottleKey, Timestamp, Weight,
};
use proptest::prelude::*;

use crate::storage::keys::{self, EndedKey, MessageKey};
use crate::storage::records::{self, Ended, Head, Place, RecordError};
use crate::storage::{Family, seal, store};

/// Everything that a message can have.
pub(super) fn full_head() -> Head {
    let mut headers = Headers::new();
    headers.insert("traceparent", "canary-header").unwrap();
    let new = NewMessage::new(Kind::from_static("send-email"), "canary-payload")
        .with_headers(headers)
        .with_idempotency_key(IdempotencyKey::new("canary-key").unwrap())
        .with_fingerprint(Fingerprint([3; 32]))
        .with_fairness_key(FairnessKey::new("canary-fair").unwrap())
        .with_weight(Weight::new(500).unwrap())
        .with_throttle_key(ThrottleKey::new("canary-throttle").unwrap())
        .with_throttle_key(ThrottleKey::new("other").unwrap())
        .with_deliver_at(Timestamp::from_nanos(0x1111))
        .with_expires_at(Timestamp::MAX);
    let id = MessageId::from_bytes([0xab; 16]);
    let message = Message::accept(new, id, Timestamp::from_nanos(0x2222));
    let mut head = Head::new(&message, 0x3333);
    head.attempt = 4;
    head.place = Place::Scheduled(Timestamp::from_nanos(0x5555));
    head.errors.push(ErrorRecord::new(
        1,
        Timestamp::from_nanos(0x66),
        "canary-error",
    ));
    head.redriven_at = Some(Timestamp::from_nanos(0x77));
    head
}

/// A message without anything.
pub(super) fn plain_head() -> Head {
    let new = NewMessage::new(Kind::from_static("k"), Bytes::new());
    let id = MessageId::from_bytes([1; 16]);
    Head::new(&Message::accept(new, id, Timestamp::from_nanos(2)), 3)
}

pub(super) fn queue() -> QueueName {
    QueueName::from_static("emails")
}

#[test]
fn heads_come_back_whole() {
    for head in [full_head(), plain_head()] {
        let key = head.key(&queue()).encode();
        let (found, back) = Head::decode(&key, &head.encode(&key)).unwrap();
        assert_eq!(found, head.key(&queue()));
        assert_eq!(back, head);
        assert_eq!(back.message.payload().len(), 0);
    }
}

#[test]
fn the_latest_errors_are_kept() {
    let mut head = plain_head();
    for attempt in 1..=40 {
        head.errors.push(ErrorRecord::new(
            attempt,
            Timestamp::ZERO,
            &"x".repeat(2_000),
        ));
    }
    let key = head.key(&queue()).encode();
    let (_, back) = Head::decode(&key, &head.encode(&key)).unwrap();
    let attempts: Vec<_> = back.errors.iter().map(|error| error.attempt).collect();
    assert_eq!(attempts, (9..=40).collect::<Vec<_>>());
}

#[test]
fn dead_letters_and_done_messages_do_not_pass_for_one_another() {
    let key = EndedKey {
        queue: queue(),
        number: 9,
        id: plain_head().message.id(),
    }
    .encode();
    for state in [State::Dead, State::Done, State::Cancelled, State::Expired] {
        let ended = Ended {
            head: plain_head(),
            state,
            at: Timestamp::from_nanos(8),
        };
        let value = ended.encode(&key);
        let other = match ended.family() {
            Family::Dead => Family::Done,
            _ => Family::Dead,
        };
        let (found, back) = Ended::decode(ended.family(), &key, &value).unwrap();
        assert_eq!((found.number, &back), (9, &ended));
        let error = Ended::decode(other, &key, &value).unwrap_err();
        assert_eq!(error, RecordError::Checksum);
    }
}

#[test]
fn payloads_are_the_bytes_themselves() {
    let payload = Bytes::from_static(b"\0\xff not text");
    let value = records::encode_payload(b"key", &payload);
    assert!(value.windows(payload.len()).any(|part| part == &*payload));
    assert_eq!(records::decode_payload(b"key", value).unwrap(), payload);
    let empty = records::encode_payload(b"key", b"");
    assert_eq!(
        records::decode_payload(b"key", empty).unwrap(),
        Bytes::new()
    );
}

#[test]
fn an_unknown_version_is_told_from_damage_and_names_family_and_version() {
    let mut value = seal::close(Family::Leases, b"key", b"body");
    value[0] = 9;
    let damaged = seal::open(Family::Leases, b"key", &value).unwrap_err();
    assert_eq!(damaged, RecordError::Checksum);
    let whole = seal_as(9, Family::Leases, b"key", b"body");
    let error = seal::open(Family::Leases, b"key", &whole).unwrap_err();
    assert_eq!(error, RecordError::Version { version: 9 });
    let text = store::unreadable(Path::new("/var/lib/q"), Family::Leases, error).to_string();
    assert!(
        text.contains("leases") && text.contains("version 9") && text.contains("/var/lib/q"),
        "{text}"
    );
}

/// A record of another version, sealed as that version would.
fn seal_as(version: u8, family: Family, key: &[u8], body: &[u8]) -> Vec<u8> {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let mut digest = crc.digest();
    digest.update(&[family.tag()]);
    digest.update(&u32::try_from(key.len()).unwrap().to_be_bytes());
    digest.update(key);
    digest.update(&[version]);
    digest.update(body);
    let sum = digest.finalize().to_be_bytes();
    [&[version], body, &sum].concat()
}

#[test]
fn the_checksum_is_crc_32c_over_family_key_and_value() {
    for (family, key, body) in [
        (Family::Messages, &b"key"[..], &b"body"[..]),
        (Family::Keys, b"", b""),
    ] {
        assert_eq!(
            seal::close(family, key, body),
            seal_as(seal::VERSION, family, key, body)
        );
    }
}

#[test]
fn a_record_under_another_key_or_in_another_family_does_not_open() {
    let value = seal::close(Family::Messages, b"key", b"body");
    for (family, key) in [
        (Family::Messages, &b"kez"[..]),
        (Family::Messages, b"keyb"),
        (Family::Payloads, b"key"),
    ] {
        let error = seal::open(family, key, &value).unwrap_err();
        assert_eq!(error, RecordError::Checksum);
    }
}

#[test]
fn nothing_of_a_message_is_printed() {
    let head = full_head();
    let key = head.key(&queue());
    let mut value = head.encode(&key.encode());
    value[20] ^= 1;
    let error = Head::decode(&key.encode(), &value).unwrap_err();
    let error = store::unreadable(Path::new("here"), Family::Messages, error);
    let mut batch = crate::storage::Batch::new();
    batch.put_message(&queue(), &head, b"canary-payload");
    let printed = format!("{head:?} {key:?} {error} {error:?} {batch:?}");
    assert!(!printed.contains("canary"), "{printed}");
    assert!(printed.contains("messages"), "{printed}");
}

proptest! {
    #[test]
    fn one_wrong_bit_does_not_open(
        body in prop::collection::vec(any::<u8>(), 0..64),
        key in prop::collection::vec(any::<u8>(), 0..32),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut value = seal::close(Family::State, &key, &body);
        prop_assert_eq!(seal::open(Family::State, &key, &value).unwrap(), &*body);
        let bit = bit.index(value.len() * 8);
        value[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(seal::open(Family::State, &key, &value).is_err());
    }

    #[test]
    fn whatever_is_sealed_is_read_or_refused(
        body in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        // Random bytes, and good bytes with one wrong: no panic.
        let key = full_head().key(&queue()).encode();
        let good = full_head().encode(&key);
        let good = seal::open(Family::Messages, &key, &good).unwrap();
        let mut bent = good.to_vec();
        bent[at.index(good.len())] = byte;
        for body in [&body[..], &bent, &good[..at.index(good.len())]] {
            let _ = Head::decode(&key, &seal::close(Family::Messages, &key, body));
            let queue_key = keys::queue(&queue());
            let value = seal::close(Family::Queues, &queue_key, body);
            let _ = records::decode_queue(&queue_key, &value);
            let ended = EndedKey { queue: queue(), number: 1, id: MessageId::from_bytes([1; 16]) };
            let ended = ended.encode();
            let _ = Ended::decode(Family::Dead, &ended, &seal::close(Family::Dead, &ended, body));
        }
    }

    #[test]
    fn configurations_come_back(
        nanos in any::<[u32; 4]>(),
        counts in any::<[u32; 4]>(),
        dead in prop::option::of("[a-z]{1,9}"),
    ) {
        let span = |nanos: u32| std::time::Duration::from_nanos(u64::from(nanos) * 1_000_003);
        let config = QueueConfig {
            lease: span(nanos[0]),
            capacity: counts[0] as usize,
            idempotency_window: span(nanos[1]),
            idempotency_limit: counts[1] as usize,
            dead_letter_retention: span(nanos[2]),
            dead_letter_limit: counts[2] as usize,
            retain_done: span(nanos[3]),
            retain_done_limit: counts[3] as usize,
            dead_letter_queue: dead.map(|name| QueueName::new(name).unwrap()),
        };
        let key = keys::queue(&queue());
        let value = records::encode_queue(&key, &config);
        prop_assert_eq!(records::decode_queue(&key, &value).unwrap(), (queue(), config));
    }
}

#[test]
fn a_head_under_the_key_of_another_message_is_refused() {
    let head = plain_head();
    let key = MessageKey {
        published_at: Timestamp::from_nanos(99),
        ..head.key(&queue())
    }
    .encode();
    // Sealed for that key, so that the checksum is right.
    let error = Head::decode(&key, &head.encode(&key)).unwrap_err();
    assert_eq!(error, RecordError::Invalid { what: "key" });
}

#[test]
fn messages_with_payloads_apart_are_whole_again() {
    let head = full_head();
    let whole = head
        .message
        .with_payload(Bytes::from_static(b"canary-payload"));
    assert_eq!(Arc::new(whole).payload().len(), 14);
}
