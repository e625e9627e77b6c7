//! I6: attempts grow, and a message is a dead letter exactly once, at the maximum.

use forebay_queue_conformance::checker::{Attempts, Invariant, Rules};
use forebay_queue_conformance::history::{Action, Ended, Fact, Mark, Tag};

use crate::script::{KIND, LEASE, QUEUE, Script, id, message};

fn delivered(attempt: u32) -> (Script, Tag) {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), attempt);
    (script, receipt)
}

#[test]
fn the_first_delivery_is_attempt_one() {
    delivered(1).0.is_clean();
    delivered(2).0.breaks(Invariant::Attempts);
    delivered(0).0.breaks(Invariant::Attempts);
}

#[test]
fn a_retry_counts_and_a_release_does_not() {
    let verbs: [fn(&mut Script, Tag); 2] = [Script::release, Script::retry];
    for (verb, right) in verbs.into_iter().zip(1..) {
        for attempt in 1..=3 {
            let (mut script, receipt) = delivered(1);
            verb(&mut script, receipt);
            script.deliver(&message(1), attempt);
            if attempt == right {
                script.is_clean();
            } else {
                script.breaks(Invariant::Attempts);
            }
        }
    }
}

#[test]
fn a_lease_that_ran_out_counts() {
    for (attempt, clean) in [(1, false), (2, true), (3, false)] {
        let (mut script, _) = delivered(1);
        script.wait(LEASE);
        script.deliver(&message(1), attempt);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Attempts);
        }
    }
}

#[test]
fn a_release_without_an_answer_may_have_happened() {
    for (attempt, clean) in [(1, true), (2, true), (3, false)] {
        let (mut script, receipt) = delivered(1);
        script.nack_lost(receipt, Action::Release(LEASE));
        script.wait(LEASE);
        script.deliver(&message(1), attempt);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Attempts);
        }
    }
}

#[test]
fn a_receive_without_an_answer_may_have_counted_an_attempt() {
    for (attempt, clean) in [(1, true), (2, true), (3, false)] {
        let mut script = Script::new();
        script.publish(&[message(1)]);
        let call = script.receive();
        script.unknown(call);
        script.wait(LEASE);
        script.deliver(&message(1), attempt);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Attempts);
        }
    }
}

#[test]
fn a_killed_receiver_may_have_counted_an_attempt() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    script.receive();
    script.mark(Mark::Killed { process: 1 });
    script.process = 2;
    script.wait(LEASE);
    script.deliver(&message(1), 2);
    script.is_clean();
}

#[test]
fn a_redrive_begins_at_one() {
    for (attempt, clean) in [(1, true), (2, false)] {
        let (mut script, receipt) = delivered(1);
        script.nack(receipt, Action::DeadLetter);
        script.redrive(1);
        script.deliver(&message(1), attempt);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Attempts);
        }
    }
}

#[test]
fn no_handler_starts_over_the_maximum() {
    for (attempt, clean) in [(3, true), (4, false)] {
        let (mut script, receipt) = delivered(1);
        script.rules.max_attempts = Attempts::all(3);
        script.push(Fact::Started {
            queue: QUEUE,
            id: id(1),
            kind: KIND,
            attempt,
            receipt,
        });
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Attempts);
        }
    }
}

#[test]
fn at_the_maximum_it_dies_and_not_before() {
    let ends = [
        (2, Ended::Retry, true),
        (3, Ended::Retry, false),
        (3, Ended::Dead, true),
        (4, Ended::Dead, true),
        (2, Ended::Dead, false),
        (2, Ended::Reject, true),
        (3, Ended::Snooze, true),
    ];
    for (attempt, outcome, clean) in ends {
        let (mut script, _) = delivered(1);
        script.rules.max_attempts.by_kind.insert(KIND, 3);
        script.push(Fact::Processed {
            queue: QUEUE,
            id: id(1),
            kind: KIND,
            attempt,
            outcome,
        });
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Attempts);
        }
        script.rules = Rules {
            max_attempts: Attempts::all(3),
            max_age: true,
            ..Rules::default()
        };
        let old = outcome == Ended::Dead;
        assert_eq!(script.report().is_clean(), clean || old);
    }
}

#[test]
fn a_message_is_a_dead_letter_once() {
    let (mut script, receipt) = delivered(1);
    script.nack(receipt, Action::DeadLetter);
    let mut healthy = script.clone();
    script.rest(0, &[1, 1]);
    script.breaks(Invariant::Attempts);
    healthy.rest(0, &[1]);
    healthy.is_clean();
}
