//! Hundreds of thousands of records are judged in one reading, in time that grows as they do.

use std::time::{Duration, Instant};

use forebay_queue_conformance::checker::{Checker, Rules};
use forebay_queue_conformance::history::{
    Answered, Asked, Fact, Handed, Mark, Posted, Published, Record, RestStats, Settled, Tag,
};
use forebay_queue_core::{MessageId, Timestamp};

use crate::script::{KIND, LEASE, QUEUE};

/// How long a hundred thousand messages may take, in a build without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn id(n: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    MessageId::from_bytes(bytes)
}

/// Line `n` of a history of so many messages: each is published, delivered and acked. Made as it is read, so that
/// the records take no memory.
fn line(n: u64, messages: u64) -> Record {
    let (message, step) = (n / 6, n % 6);
    let at = Timestamp::from_millis(1_000_000 + n);
    let call = 3 * message + step / 2;
    let (payload, headers) = (Tag::from_bits(message), Tag::from_bits(0));
    let receipt = Tag::from_bits(message + 1);
    let asked = |asked| Fact::Invoke {
        call,
        queue: QUEUE,
        asked,
    };
    let answered = |answered| Fact::Ok { call, answered };
    let fact = match step {
        _ if message == messages => Fact::Mark(Mark::Rest {
            queue: QUEUE,
            stats: RestStats::default(),
            dead: Vec::new(),
            live: None,
        }),
        0 => asked(Asked::Publish(vec![Posted {
            id: Some(id(message)),
            kind: KIND,
            payload,
            headers,
            key: Some(Tag::from_bits(message)),
            fingerprint: None,
            deliver: None,
            expires: None,
        }])),
        1 => answered(Answered::Published(vec![Published::Accepted(id(message))])),
        2 => asked(Asked::Receive {
            max: 1,
            wait: LEASE,
        }),
        3 => answered(Answered::Delivered(vec![Handed {
            id: id(message),
            kind: KIND,
            payload,
            headers,
            key: Some(Tag::from_bits(message)),
            attempt: 1,
            receipt,
            lease: LEASE,
            delivered_at: at,
            published_at: at,
            deliver_at: None,
            expires_at: None,
        }])),
        4 => asked(Asked::Ack(vec![receipt])),
        _ => answered(Answered::Settled(vec![Settled::Done])),
    };
    Record {
        sequence: n + 1,
        at,
        process: 1,
        fact,
    }
}

fn judged(messages: u64) -> Duration {
    let start = Instant::now();
    let read = || (0..=6 * messages).map(|n| line(n, messages));
    let report = Checker::new(Rules::default()).check_with(read);
    report.assert_clean();
    assert_eq!(report.counts.acked, messages);
    start.elapsed()
}

#[test]
fn a_long_history_is_judged_in_time() {
    let took = judged(100_000);
    assert!(took < PATIENCE, "{took:?}");
}
