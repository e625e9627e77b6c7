//! What is on the disk, byte for byte. A change here is a new version, with a reader of the old one kept.

use std::fmt::Write;
use std::time::Duration;

use forebay_queue_core::{Fingerprint, MessageId, QueueConfig, QueueName, State, Timestamp};

use super::sealing::{full_head, plain_head, queue};
use crate::storage::Family;
use crate::storage::keys::{self, EndedKey, ExpiryKey, KnownKey, LeaseKey, StateKey};
use crate::storage::records::{self, Ended, Known, Lease};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn id() -> MessageId {
    MessageId::from_bytes([1; 16])
}

fn check(bytes: &[u8], golden: &str) {
    let golden: String = golden.split_whitespace().collect();
    assert_eq!(hex(bytes), golden);
}

#[test]
fn keys_of_messages() {
    check(
        &full_head().key(&queue()).encode(),
        "0006 656d61696c73 3a 0000000000002222 3a
         abababababababababababababababab",
    );
    check(
        &plain_head().key(&queue()).encode(),
        "0006 656d61696c73 3a 0000000000000002 3a
         01010101010101010101010101010101",
    );
}

#[test]
fn keys_of_the_other_families() {
    let queue = queue();
    let id = id();
    let lease = LeaseKey {
        queue: queue.clone(),
        id,
    };
    check(
        &lease.encode(),
        "0006 656d61696c73 3a 01010101010101010101010101010101",
    );
    let expiry = ExpiryKey {
        until: Timestamp::from_nanos(0x1234),
        queue: queue.clone(),
        id,
    };
    check(
        &expiry.encode(),
        "0000000000001234 3a 0006 656d61696c73 3a 01010101010101010101010101010101",
    );
    check(&keys::queue(&queue), "0006 656d61696c73");
    check(
        &StateKey::new("paused").unwrap().encode(),
        "0006 706175736564",
    );
    let ended = EndedKey {
        queue: queue.clone(),
        number: 0x99,
        id,
    };
    check(
        &ended.encode(),
        "0006 656d61696c73 3a 0000000000000099 3a 01010101010101010101010101010101",
    );
    let known = KnownKey {
        queue,
        hash: [2; 16],
    };
    check(
        &known.encode(),
        "0006 656d61696c73 3a 02020202020202020202020202020202",
    );
}

#[test]
fn families() {
    let names = Family::ALL.map(|family| (family.tag(), family.name()));
    let golden = [
        (0, "default"),
        (1, "messages"),
        (2, "payloads"),
        (3, "leases"),
        (4, "lease_expiry"),
        (5, "queues"),
        (6, "state"),
        (7, "dead"),
        (8, "done"),
        (9, "keys"),
    ];
    assert_eq!(names, golden);
    for (place, family) in Family::ALL.into_iter().enumerate() {
        assert_eq!(family.index(), place);
    }
}

#[test]
fn a_plain_head() {
    let key = plain_head().key(&queue()).encode();
    check(
        &plain_head().encode(&key),
        "01 0000 0000000000000003 00000000 0000000000000002 0000000000000002
         0001 6b 00 00 00 072a6588",
    );
}

#[test]
fn a_head_with_everything() {
    let key = full_head().key(&queue()).encode();
    check(
        &full_head().encode(&key),
        "01 00ff 0000000000003333 00000004 0000000000005555 0000000000002222
         000a 73656e642d656d61696c
         01 000b 7472616365706172656e74 000d 63616e6172792d686561646572
         000a 63616e6172792d6b6579
         0303030303030303030303030303030303030303030303030303030303030303
         000b 63616e6172792d66616972 01f4
         02 000f 63616e6172792d7468726f74746c65 0005 6f74686572
         0000000000001111 ffffffffffffffff 0000000000000077
         01 00000001 0000000000000066 000c 63616e6172792d6572726f72 433c4cb1",
    );
}

#[test]
fn a_payload_a_state_and_an_end_of_a_lease() {
    let key = plain_head().key(&queue()).encode();
    check(
        &records::encode_payload(&key, b"body"),
        "01 626f6479 e718082b",
    );
    let key = StateKey::new("paused").unwrap().encode();
    check(
        &records::encode_bytes(Family::State, &key, &[1]),
        "01 01 5a3ee505",
    );
    let key = ExpiryKey {
        until: Timestamp::from_nanos(5),
        queue: queue(),
        id: id(),
    }
    .encode();
    check(
        &records::encode_bytes(Family::LeaseExpiry, &key, &[]),
        "01 d0ce3e27",
    );
}

#[test]
fn a_lease() {
    let lease = Lease {
        consumer: 7,
        until: Timestamp::from_nanos(0x1234),
        token: 9,
        length: Duration::from_secs(30),
        attempt: 2,
    };
    let key = keys::lease(&queue(), id());
    check(
        &lease.encode(&key),
        "01 0000000000000007 0000000000001234 0000000000000009 00000006fc23ac00 00000002 f22befb3",
    );
}

#[test]
fn messages_that_have_ended() {
    let key = keys::ended(&queue(), 0x99, id());
    let mut ended = Ended {
        head: plain_head(),
        state: State::Dead,
        at: Timestamp::from_nanos(0x88),
    };
    let head = "0000 0000000000000003 00000000 0000000000000002 0000000000000002
                0001 6b 00 00 00";
    check(
        &ended.encode(&key),
        &format!("01 01 0000000000000088 {head} 4ddd5b83"),
    );
    for (state, stored) in [
        (State::Done, "02 0000000000000088 {head} df628e2d"),
        (State::Cancelled, "03 0000000000000088 {head} b1f2aa9c"),
        (State::Expired, "04 0000000000000088 {head} bdee237a"),
    ] {
        ended.state = state;
        let golden = format!("01 {}", stored.replace("{head}", head));
        check(&ended.encode(&key), &golden);
    }
}

#[test]
fn idempotency_keys() {
    let key = keys::known(&queue(), &[2; 16]);
    let mut known = Known {
        id: id(),
        fingerprint: None,
        until: Timestamp::from_nanos(0x44),
    };
    check(
        &records::encode_known(&known, &key),
        "01 01010101010101010101010101010101 0000000000000044 00 b085762d",
    );
    known.fingerprint = Some(Fingerprint([5; 32]));
    check(
        &records::encode_known(&known, &key),
        "01 01010101010101010101010101010101 0000000000000044 01
         0505050505050505050505050505050505050505050505050505050505050505 e90b1b78",
    );
}

#[test]
fn a_configuration() {
    let key = keys::queue(&queue());
    let config = QueueConfig {
        dead_letter_queue: Some(QueueName::from_static("dead")),
        ..QueueConfig::default()
    };
    check(
        &records::encode_queue(&key, &config),
        "01 000000000000001e 00000000 0000000000015180 00000000 0000000000278d00 00000000
         0000000000000000 00000000
         0000000000002710 0000000000989680 00000000000186a0 00000000000186a0
         01 0004 64656164 b4880fac",
    );
}
