//! Writes histories by hand: every step takes a millisecond.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_queue_conformance::checker::{Checker, Invariant, Report, Rules};
use forebay_queue_conformance::history::{
    Action, Answered, Asked, CancelBy, Cancelled, Fact, GivenBack, Handed, Mark, Posted, Published,
    Record, RestStats, Settled, Tag,
};
use forebay_queue_core::{Kind, MessageId, QueueName, Timestamp};

pub(crate) const QUEUE: QueueName = QueueName::from_static("q");
pub(crate) const KIND: Kind = Kind::from_static("k");
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// A history under construction.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) records: Vec<Record>,
    pub(crate) process: u32,
    pub(crate) rules: Rules,
    now: Duration,
    calls: u64,
    receipts: u64,
}

/// The id of message `n`.
pub(crate) fn id(n: u8) -> MessageId {
    MessageId::from_bytes([n; 16])
}

/// Message `n`, with an id of the sender's.
pub(crate) fn message(n: u8) -> Posted {
    Posted {
        id: Some(id(n)),
        kind: KIND,
        payload: Tag::of(&[n]),
        headers: Tag::of(b""),
        key: None,
        fingerprint: None,
        deliver: None,
        expires: None,
    }
}

/// Message `n` with an idempotency key.
pub(crate) fn keyed(n: u8, key: &str) -> Posted {
    Posted {
        key: Some(Tag::of(key.as_bytes())),
        ..message(n)
    }
}

/// Records as a file holds them.
pub(crate) fn lines(records: &[Record]) -> String {
    records.iter().fold(String::new(), |text, record| {
        text + &record.to_line() + "\n"
    })
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            records: Vec::new(),
            process: 1,
            rules: Rules::default(),
            now: Duration::from_hours(24 * 365 * 50),
            calls: 0,
            receipts: 0,
        }
    }

    pub(crate) fn with(rules: Rules) -> Self {
        Self {
            rules,
            ..Self::new()
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO.after(self.now)
    }

    pub(crate) fn wait(&mut self, span: Duration) {
        self.now += span;
    }

    pub(crate) fn push(&mut self, fact: Fact) {
        self.now += ms(1);
        self.records.push(Record {
            sequence: self.records.len() as u64 + 1,
            at: self.now(),
            process: self.process,
            fact,
        });
    }

    pub(crate) fn mark(&mut self, mark: Mark) {
        let process = std::mem::replace(&mut self.process, 0);
        self.push(Fact::Mark(mark));
        self.process = process;
    }

    pub(crate) fn ask(&mut self, asked: Asked) -> u64 {
        self.calls += 1;
        let call = self.calls;
        self.push(Fact::Invoke {
            call,
            queue: QUEUE,
            asked,
        });
        call
    }

    pub(crate) fn ok(&mut self, call: u64, answered: Answered) {
        self.push(Fact::Ok { call, answered });
    }

    pub(crate) fn fail(&mut self, call: u64) {
        let error = "unavailable".into();
        self.push(Fact::Fail { call, error });
    }

    pub(crate) fn unknown(&mut self, call: u64) {
        let error = "interrupted".into();
        self.push(Fact::Unknown { call, error });
    }

    /// Publishes, and is answered that all were accepted.
    pub(crate) fn publish(&mut self, messages: &[Posted]) {
        let call = self.ask(Asked::Publish(messages.to_vec()));
        let accepted = |m: &Posted| Published::Accepted(m.id.expect("these have ids"));
        let answers = messages.iter().map(accepted).collect();
        self.ok(call, Answered::Published(answers));
    }

    /// Publishes, and is answered that it is a duplicate.
    pub(crate) fn publish_known(&mut self, message: Posted, id: MessageId, same: bool) {
        let call = self.ask(Asked::Publish(vec![message]));
        let same_fingerprint = same;
        let answer = Published::Duplicate {
            id,
            same_fingerprint,
        };
        self.ok(call, Answered::Published(vec![answer]));
    }

    /// Publishes, and is not answered.
    pub(crate) fn publish_lost(&mut self, messages: &[Posted]) {
        let call = self.ask(Asked::Publish(messages.to_vec()));
        self.unknown(call);
    }

    /// A delivery of a message now, not answered yet.
    pub(crate) fn handed(&mut self, message: &Posted, attempt: u32) -> Handed {
        self.receipts += 1;
        Handed {
            id: message.id.unwrap_or(id(200)),
            kind: message.kind.clone(),
            payload: message.payload,
            headers: message.headers,
            key: message.key,
            attempt,
            receipt: Tag::from_bits(self.receipts),
            lease: LEASE,
            delivered_at: Timestamp::ZERO.after(self.now + ms(2)),
            published_at: Timestamp::ZERO,
            deliver_at: None,
            expires_at: None,
        }
    }

    pub(crate) fn receive(&mut self) -> u64 {
        let wait = Duration::from_secs(1);
        self.ask(Asked::Receive { max: 10, wait })
    }

    pub(crate) fn deliver_this(&mut self, handed: Handed) -> Tag {
        let receipt = handed.receipt;
        let call = self.receive();
        self.ok(call, Answered::Delivered(vec![handed]));
        receipt
    }

    /// Receives one message.
    pub(crate) fn deliver(&mut self, message: &Posted, attempt: u32) -> Tag {
        let handed = self.handed(message, attempt);
        self.deliver_this(handed)
    }

    pub(crate) fn settled(&mut self, asked: Asked, answer: Settled) {
        let call = self.ask(asked);
        self.ok(call, Answered::Settled(vec![answer]));
    }

    pub(crate) fn ack(&mut self, receipt: Tag) {
        self.settled(Asked::Ack(vec![receipt]), Settled::Done);
    }

    pub(crate) fn ack_refused(&mut self, receipt: Tag) {
        self.settled(Asked::Ack(vec![receipt]), Settled::LeaseLost);
    }

    pub(crate) fn ack_lost(&mut self, receipt: Tag) {
        let call = self.ask(Asked::Ack(vec![receipt]));
        self.unknown(call);
    }

    pub(crate) fn extend(&mut self, receipt: Tag) {
        self.settled(Asked::Extend(vec![receipt]), Settled::Done);
    }

    pub(crate) fn nack(&mut self, receipt: Tag, action: Action) {
        let given_back = GivenBack { receipt, action };
        self.settled(Asked::Nack(vec![given_back]), Settled::Done);
    }

    pub(crate) fn nack_lost(&mut self, receipt: Tag, action: Action) {
        let call = self.ask(Asked::Nack(vec![GivenBack { receipt, action }]));
        self.unknown(call);
    }

    pub(crate) fn retry(&mut self, receipt: Tag) {
        self.nack(receipt, Action::Retry(Duration::ZERO));
    }

    pub(crate) fn release(&mut self, receipt: Tag) {
        self.nack(receipt, Action::Release(Duration::ZERO));
    }

    pub(crate) fn cancel(&mut self, by: CancelBy, answer: Cancelled) {
        let call = self.ask(Asked::Cancel(by));
        self.ok(call, Answered::Cancelled(answer));
    }

    pub(crate) fn redrive(&mut self, redriven: u64) {
        let call = self.ask(Asked::Redrive);
        let full = false;
        self.ok(call, Answered::Redriven { redriven, full });
    }

    /// The queue at rest: so many live messages, these dead letters.
    pub(crate) fn rest(&mut self, live: u64, dead: &[u8]) {
        let stats = RestStats {
            ready: live,
            dead: dead.len() as u64,
            ..RestStats::default()
        };
        self.rest_with(stats, dead);
    }

    pub(crate) fn rest_with(&mut self, stats: RestStats, dead: &[u8]) {
        self.mark(Mark::Rest {
            queue: QUEUE,
            stats,
            dead: dead.iter().map(|n| id(*n)).collect(),
            live: None,
        });
    }

    pub(crate) fn report(&self) -> Report {
        Checker::new(self.rules.clone()).check(&self.records)
    }

    #[track_caller]
    pub(crate) fn is_clean(&self) -> Report {
        let report = self.report();
        report.assert_clean();
        report
    }

    /// Breaks this, and nothing else.
    #[track_caller]
    pub(crate) fn breaks(&self, invariant: Invariant) -> Report {
        let report = self.report();
        assert_eq!(report.broken(), BTreeSet::from([invariant]), "{report}");
        report
    }
}
