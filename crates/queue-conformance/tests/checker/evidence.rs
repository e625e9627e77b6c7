//! A violation comes with the lines that prove it, and with no others.

use forebay_queue_conformance::checker::{Checker, Invariant, Report, Rules};
use forebay_queue_conformance::history::{Answered, Asked, History, Settled};

use crate::script::{LEASE, Script, id, lines, message};

/// Message 2 of three is delivered after its ack; all in batches.
fn script() -> Script {
    let mut script = Script::new();
    let all = [message(1), message(2), message(3)];
    script.publish(&all);
    let handed: Vec<_> = all.iter().map(|m| script.handed(m, 1)).collect();
    let receipts = handed.iter().map(|h| h.receipt).collect();
    let call = script.receive();
    script.ok(call, Answered::Delivered(handed));
    let call = script.ask(Asked::Ack(receipts));
    script.ok(call, Answered::Settled(vec![Settled::Done; 3]));
    script.wait(LEASE);
    script.deliver(&message(2), 2);
    script
}

fn evidence(report: &Report) -> String {
    assert_eq!(report.violations.len(), 1, "{report}");
    report.violations[0].evidence.join("\n")
}

#[test]
fn the_lines_of_the_message_are_shown_and_no_others() {
    let report = script().breaks(Invariant::Over);
    let text = evidence(&report);
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.contains(&id(2).to_string()));
    for other in [id(1), id(3)] {
        assert!(!text.contains(&other.to_string()), "{text}");
    }
    for word in ["publish", "delivered", "ack", "settled"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // The lines are records themselves.
    let records = History::read((text + "\n").as_bytes()).unwrap();
    assert_eq!(records.len(), 6);
}

#[test]
fn a_history_from_a_file_is_judged_alike() {
    let script = script();
    let text = lines(&script.records);
    let read = || History::lines(text.as_bytes()).map(|record| record.unwrap());
    let report = Checker::new(Rules::default()).check_with(read);
    assert_eq!(report, script.report());
}

#[test]
fn a_run_that_is_all_broken_is_reported_in_part() {
    let mut script = Script::new();
    for n in 0..120 {
        script.deliver(&message(n), 1);
    }
    let report = script.breaks(Invariant::Unaltered);
    assert_eq!(report.broken[&Invariant::Unaltered], 120);
    assert_eq!(report.violations.len(), 50);
}
