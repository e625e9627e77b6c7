//! I9: the counts add up at rest.

use forebay_queue_conformance::checker::Invariant;
use forebay_queue_conformance::history::{Action, Mark, RestStats};

use crate::script::{QUEUE, Script, id, keyed, message};

/// One message acked, one dead, one live.
fn three() -> Script {
    let mut script = Script::new();
    script.publish(&[message(1), message(2), message(3)]);
    let receipt = script.deliver(&message(1), 1);
    script.ack(receipt);
    let receipt = script.deliver(&message(2), 1);
    script.nack(receipt, Action::DeadLetter);
    script
}

#[test]
fn there_are_no_more_than_there_can_be() {
    for (live, clean) in [(1, true), (2, false)] {
        let mut script = three();
        script.rest(live, &[2]);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::AddsUp);
        }
    }
}

#[test]
fn what_was_published_without_an_answer_may_be_there() {
    let mut script = three();
    script.publish_lost(&[message(4)]);
    let mut other = script.clone();
    script.rest(1, &[2]);
    script.is_clean();
    other.rest(2, &[2]);
    other.is_clean();
}

#[test]
fn a_dead_letter_that_nobody_sent_there_is_found() {
    let mut script = three();
    script.rest(0, &[2, 3]);
    script.breaks(Invariant::AddsUp);
}

#[test]
fn a_count_is_as_long_as_its_list() {
    let mut script = three();
    let stats = RestStats {
        ready: 1,
        dead: 2,
        ..RestStats::default()
    };
    script.rest_with(stats, &[2]);
    script.breaks(Invariant::AddsUp);

    for (ready, clean) in [(1, true), (2, false)] {
        let mut script = three();
        script.mark(Mark::Rest {
            queue: QUEUE,
            stats: RestStats {
                ready,
                dead: 1,
                ..RestStats::default()
            },
            dead: vec![id(2)],
            live: Some(vec![id(3)]),
        });
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::AddsUp);
        }
    }
}

#[test]
fn a_message_is_in_one_place() {
    let mut script = three();
    script.mark(Mark::Rest {
        queue: QUEUE,
        stats: RestStats {
            ready: 2,
            dead: 1,
            ..RestStats::default()
        },
        dead: vec![id(2)],
        live: Some(vec![id(2), id(3)]),
    });
    script.breaks(Invariant::AddsUp);
}

#[test]
fn what_was_acked_is_not_still_there() {
    let mut script = three();
    script.mark(Mark::Rest {
        queue: QUEUE,
        stats: RestStats {
            ready: 2,
            dead: 1,
            ..RestStats::default()
        },
        dead: vec![id(2)],
        live: Some(vec![id(1), id(3)]),
    });
    script.breaks(Invariant::AddsUp);
}

#[test]
fn a_drained_queue_is_empty() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    script.mark(Mark::Drained);
    let mut added = script.clone();
    script.rest(1, &[]);
    script.breaks(Invariant::AddsUp);
    added.publish(&[message(2)]);
    let receipt = added.deliver(&message(1), 1);
    added.ack(receipt);
    added.rest(1, &[]);
    added.is_clean();
}

#[test]
fn no_more_keys_are_remembered_than_were_published() {
    for (idempotency_keys, clean) in [(1, true), (2, false)] {
        let mut script = Script::new();
        script.publish(&[keyed(1, "key"), message(2)]);
        let stats = RestStats {
            ready: 2,
            idempotency_keys,
            ..RestStats::default()
        };
        script.rest_with(stats, &[]);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::AddsUp);
        }
    }
}
