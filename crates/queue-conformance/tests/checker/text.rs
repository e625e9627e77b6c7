//! The text form: stable, complete, and readable again.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_queue_conformance::history::{
    Action, Answered, Asked, CancelBy, Cancelled, Ended, Fact, GivenBack, Handed, History, Mark,
    Party, Posted, Published, ReadError, Record, RestStats, Settled, Tag, When,
};
use forebay_queue_core::{Environment, Timestamp};

use crate::script::{KIND, QUEUE, Script, id, keyed, lines, message, ms};

/// One record of every sort, with every optional field.
fn everything() -> Vec<Record> {
    let mut script = Script::new();
    let full = Posted {
        fingerprint: Some(Tag::of(b"f")),
        deliver: Some(When::At(Timestamp::from_millis(5))),
        expires: Some(When::After(ms(9))),
        ..keyed(1, "key")
    };
    let receipt = Tag::of(b"r");
    let handed = Handed {
        deliver_at: Some(Timestamp::from_nanos(7)),
        expires_at: Some(Timestamp::MAX),
        ..script.handed(&full, 3)
    };
    for (asked, answered) in calls(full, handed, script.handed(&message(2), 1)) {
        let call = script.ask(asked);
        script.ok(call, answered);
    }
    unanswered(&mut script);
    facts(&mut script, receipt);
    marks(&mut script);
    script.records
}

/// A call of every verb, with an answer of every sort.
fn calls(full: Posted, handed: Handed, plain: Handed) -> [(Asked, Answered); 8] {
    let receipt = handed.receipt;
    let actions = [
        Action::Retry(ms(1)),
        Action::Release(ms(2)),
        Action::DeadLetter,
    ];
    let nacks = actions.map(|action| GivenBack { receipt, action }).to_vec();
    let duplicate = Published::Duplicate {
        id: id(1),
        same_fingerprint: false,
    };
    [
        (
            Asked::Publish(vec![
                full,
                Posted {
                    id: None,
                    ..message(2)
                },
            ]),
            Answered::Published(vec![Published::Accepted(id(1)), duplicate]),
        ),
        (
            Asked::Receive {
                max: 7,
                wait: Duration::MAX,
            },
            Answered::Delivered(vec![handed, plain]),
        ),
        (
            Asked::Ack(vec![receipt]),
            Answered::Settled(vec![Settled::Done, Settled::LeaseLost]),
        ),
        (Asked::Nack(nacks), Answered::Settled(Vec::new())),
        (Asked::Extend(vec![receipt]), Answered::Done(3)),
        (
            Asked::Cancel(CancelBy::Id(id(1))),
            Answered::Cancelled(Cancelled::AlreadyOver),
        ),
        (
            Asked::Cancel(CancelBy::Key(receipt)),
            Answered::Cancelled(Cancelled::NotFound),
        ),
        (
            Asked::Redrive,
            Answered::Redriven {
                redriven: 2,
                full: true,
            },
        ),
    ]
}

fn unanswered(script: &mut Script) {
    let plain = [
        Asked::Pause,
        Asked::Resume,
        Asked::Purge,
        Asked::DeleteDeadLetters,
        Asked::Close,
    ];
    for asked in plain {
        let call = script.ask(asked);
        script.fail(call);
        script.unknown(call);
    }
}

fn facts(script: &mut Script, receipt: Tag) {
    script.push(Fact::Started {
        queue: QUEUE,
        id: id(1),
        kind: KIND,
        attempt: 2,
        receipt,
    });
    script.push(Fact::Processed {
        queue: QUEUE,
        id: id(1),
        kind: KIND,
        attempt: 2,
        outcome: Ended::LeaseLost,
    });
    script.push(Fact::Paused {
        queue: QUEUE,
        pause: ms(3),
    });
    script.push(Fact::Resumed { queue: QUEUE });
}

fn marks(script: &mut Script) {
    let fault = "cut \"one\"\n".to_owned();
    let limit = ms(10);
    let marks = [
        Mark::FaultPlanned {
            fault: fault.clone(),
        },
        Mark::FaultFired { fault },
        Mark::Healed,
        Mark::Drained,
        Mark::Killed { process: 4 },
        Mark::Stopped {
            party: Party::Store,
        },
        Mark::Restarted {
            party: Party::Process(4),
        },
        Mark::Wiped,
        Mark::Lease {
            queue: QUEUE,
            lease: ms(10),
        },
        Mark::ShutdownBegan { process: 1, limit },
        Mark::ShutdownEnded {
            process: 1,
            took: ms(9),
            limit,
        },
        Mark::Memory {
            process: 1,
            bytes: u64::MAX,
        },
        Mark::Readiness {
            process: 1,
            says: true,
            truth: false,
        },
        Mark::Rest {
            queue: QUEUE,
            stats: RestStats {
                dead: 1,
                ..RestStats::default()
            },
            dead: vec![id(1)],
            live: Some(vec![id(2)]),
        },
        Mark::Rest {
            queue: QUEUE,
            stats: RestStats::default(),
            dead: Vec::new(),
            live: None,
        },
        Mark::Note {
            text: "seed 7".to_owned(),
        },
    ];
    for mark in marks {
        script.mark(mark);
    }
}

#[test]
fn every_record_is_read_back_as_it_was() {
    let mut records = everything();
    // The longest span that is written is 584 years.
    for record in &mut records {
        if let Fact::Invoke {
            asked: Asked::Receive { wait, .. },
            ..
        } = &mut record.fact
        {
            *wait = Duration::from_nanos(u64::MAX);
        }
    }
    let text = lines(&everything());
    assert_eq!(text.lines().count(), records.len());
    assert_eq!(History::read(text.as_bytes()).unwrap(), records);
}

#[test]
fn the_text_of_a_record_is_fixed() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let lines: Vec<String> = script.records.iter().map(Record::to_line).collect();
    let id = "01010101-0101-0101-0101-010101010101";
    assert_eq!(
        lines,
        [
            format!(
                r#"{{"sequence":1,"at":1576800000001000000,"process":1,"fact":{{"invoke":{{"call":1,"queue":"q","asked":{{"publish":[{{"id":"{id}","kind":"k","payload":"4bf5122f344554c5","headers":"e3b0c44298fc1c14"}}]}}}}}}}}"#
            ),
            format!(
                r#"{{"sequence":2,"at":1576800000002000000,"process":1,"fact":{{"ok":{{"call":1,"answered":{{"published":[{{"accepted":"{id}"}}]}}}}}}}}"#
            ),
        ]
    );
}

#[test]
fn a_torn_last_line_is_left_out_and_a_broken_one_is_named() {
    let text = lines(&everything());
    let torn = &text[..text.len() - 5];
    let records = History::read(torn.as_bytes()).unwrap();
    assert_eq!(records.len(), everything().len() - 1);

    let broken = text.replacen("\"sequence\":2", "\"sequence\":x", 1);
    let error = History::read(broken.as_bytes()).unwrap_err();
    assert!(
        matches!(error, ReadError::Line { number: 2, .. }),
        "{error}"
    );
    assert!(Record::from_line("{}").is_err());
}

#[test]
fn logs_are_merged_by_time() {
    let mut one = Script::new();
    let mut other = Script::new();
    other.process = 2;
    one.publish(&[message(1)]);
    other.publish(&[message(2)]);
    one.publish(&[message(3)]);
    let merged = History::merge(vec![other.records, one.records]);
    let order: Vec<_> = merged.iter().map(|r| (r.process, r.sequence)).collect();
    assert_eq!(order, [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (1, 4)]);
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut to = self.0.lock().unwrap();
        if to.1 == 2 {
            return Err(io::Error::other("the disk is full"));
        }
        to.0.extend_from_slice(bytes);
        to.1 += 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_history_that_writes_has_written_each_record_at_once() {
    let to = Shared::default();
    let history = History::writing(&Environment::system(), 7, Box::new(to.clone()));
    history.mark(Mark::Healed);
    history.mark(Mark::Drained);
    history.written().unwrap();
    let text = to.0.lock().unwrap().0.clone();
    let records = History::read(&text[..]).unwrap();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.process == 7));
    assert!(history.is_empty());

    history.mark(Mark::Healed);
    assert!(history.written().is_err());
}

#[test]
fn tags_are_the_same_everywhere() {
    assert_eq!(Tag::of(b"").to_string(), "e3b0c44298fc1c14");
    assert_eq!(Tag::of(b"a").to_string().parse(), Ok(Tag::of(b"a")));
    assert_ne!(Tag::of(b"a"), Tag::of(b"b"));
}
