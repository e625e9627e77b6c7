//! I1: nothing accepted is lost.

use std::time::Duration;

use forebay_queue_conformance::checker::{Invariant, Rules};
use forebay_queue_conformance::history::{
    Action, Answered, Asked, CancelBy, Cancelled, Mark, Party, Posted, RestStats, When,
};

use crate::script::{QUEUE, Script, id, message, ms};

/// Two messages published, the first one acked.
fn one_left() -> Script {
    let mut script = Script::new();
    script.publish(&[message(1), message(2)]);
    let receipt = script.deliver(&message(1), 1);
    script.ack(receipt);
    script
}

#[test]
fn a_message_that_was_never_delivered_is_lost() {
    let mut script = one_left();
    let healthy = script.clone();
    script.rest(0, &[]);
    let report = script.breaks(Invariant::Kept);
    assert_eq!(
        (report.counts.lost, &report.counts.lost_ids[..]),
        (1, &[id(2)][..])
    );
    assert!(report.to_string().contains(&id(2).to_string()));

    let mut script = healthy;
    script.rest(1, &[]);
    script.is_clean();
}

#[test]
fn a_drained_queue_that_lost_one_is_found_without_its_counts() {
    let mut script = one_left();
    let mut healthy = script.clone();
    script.mark(Mark::Drained);
    script.breaks(Invariant::Kept);

    let receipt = healthy.deliver(&message(2), 1);
    healthy.ack(receipt);
    healthy.mark(Mark::Drained);
    let report = healthy.is_clean();
    assert_eq!(report.judged(Invariant::Kept), 2);
}

#[test]
fn without_a_last_word_nothing_is_judged() {
    let report = one_left().is_clean();
    assert_eq!(report.judged(Invariant::Kept), 0);
}

#[test]
fn a_listing_tells_which_one_is_missing() {
    let mut script = Script::new();
    script.publish(&[message(1), message(2)]);
    let stats = RestStats {
        ready: 1,
        ..RestStats::default()
    };
    let live = |n| Mark::Rest {
        queue: QUEUE,
        stats,
        dead: Vec::new(),
        live: Some(vec![id(n)]),
    };
    script.mark(live(1));
    let report = script.breaks(Invariant::Kept);
    assert_eq!(report.counts.lost_ids, [id(2)]);
}

#[test]
fn what_was_given_back_has_to_come_again() {
    for action in [Action::Retry(ms(5)), Action::Release(ms(5))] {
        let mut script = Script::new();
        script.publish(&[message(1)]);
        let receipt = script.deliver(&message(1), 1);
        script.nack(receipt, action);
        script.rest(0, &[]);
        script.breaks(Invariant::Kept);
    }
}

#[test]
fn a_lease_that_ran_out_ends_nothing() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.wait(Duration::from_mins(1));
    script.ack_refused(receipt);
    script.rest(0, &[]);
    script.breaks(Invariant::Kept);
}

#[test]
fn a_dead_letter_has_to_stay() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.nack(receipt, Action::DeadLetter);
    let healthy = script.clone();
    script.rest(0, &[]);
    script.breaks(Invariant::Kept);

    let mut kept = healthy.clone();
    kept.rest(0, &[1]);
    kept.is_clean();

    let mut dropped = healthy.clone();
    let stats = RestStats {
        dead_dropped: 1,
        ..RestStats::default()
    };
    dropped.rest_with(stats, &[]);
    dropped.is_clean();

    let mut deleted = healthy.clone();
    let call = deleted.ask(Asked::DeleteDeadLetters);
    deleted.ok(call, Answered::Done(1));
    deleted.rest(0, &[]);
    deleted.is_clean();

    let mut old = healthy.clone();
    old.wait(Duration::from_hours(24 * 31));
    old.rest(0, &[]);
    old.is_clean();

    let mut redriven = healthy;
    redriven.redrive(1);
    let mut gone = redriven.clone();
    gone.rest(0, &[]);
    gone.breaks(Invariant::Kept);
    let receipt = redriven.deliver(&message(1), 1);
    redriven.ack(receipt);
    redriven.rest(0, &[]);
    redriven.is_clean();
}

#[test]
fn what_was_cancelled_is_not_lost() {
    let ends = [
        (CancelBy::Id(id(1)), Cancelled::Cancelled, true),
        (CancelBy::Id(id(1)), Cancelled::NotFound, false),
        (CancelBy::Id(id(2)), Cancelled::Cancelled, false),
    ];
    for (by, answer, clean) in ends {
        let mut script = Script::new();
        script.publish(&[message(1)]);
        script.publish(&[message(2)]);
        let receipt = script.deliver(&message(2), 1);
        script.ack(receipt);
        script.cancel(by, answer);
        script.rest(0, &[]);
        let found = script.report();
        assert_eq!(!found.broken().contains(&Invariant::Kept), clean, "{found}");
    }
}

#[test]
fn what_has_expired_is_not_lost() {
    for (wait, clean) in [(ms(50), false), (ms(150), true)] {
        let mut script = Script::new();
        script.publish(&[Posted {
            expires: Some(When::After(ms(100))),
            ..message(1)
        }]);
        script.wait(wait);
        script.rest(0, &[]);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Kept);
        }
    }
}

#[test]
fn what_is_given_back_after_its_end_is_gone() {
    for (wait, clean) in [(ms(50), false), (ms(150), true)] {
        let mut script = Script::new();
        let posted = Posted {
            expires: Some(When::After(ms(100))),
            ..message(1)
        };
        script.publish(std::slice::from_ref(&posted));
        let receipt = script.deliver(&posted, 1);
        script.wait(wait);
        script.nack(receipt, Action::DeadLetter);
        script.rest(0, &[]);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Kept);
        }
    }
}

#[test]
fn a_purge_takes_as_many_as_it_says() {
    for (count, clean) in [(2, true), (1, false)] {
        let mut script = Script::new();
        script.publish(&[message(1), message(2)]);
        let call = script.ask(Asked::Purge);
        script.ok(call, Answered::Done(count));
        script.rest(0, &[]);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Kept);
        }
    }
}

#[test]
fn a_purge_takes_nothing_that_is_leased() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    script.deliver(&message(1), 1);
    let call = script.ask(Asked::Purge);
    script.ok(call, Answered::Done(1));
    script.rest(0, &[]);
    script.breaks(Invariant::Kept);
}

#[test]
fn a_purge_before_the_publish_explains_nothing() {
    let mut script = Script::new();
    let call = script.ask(Asked::Purge);
    script.ok(call, Answered::Done(1));
    script.publish(&[message(1)]);
    script.rest(0, &[]);
    script.breaks(Invariant::Kept);
}

#[test]
fn a_store_that_forgets_at_a_restart_may() {
    for restart_loses in [true, false] {
        let mut script = Script::with(Rules {
            restart_loses,
            ..Rules::default()
        });
        script.publish(&[message(1)]);
        let party = Party::Store;
        script.mark(Mark::Stopped { party });
        script.mark(Mark::Restarted { party });
        let mut later = script.clone();
        script.rest(0, &[]);
        if restart_loses {
            script.is_clean();
        } else {
            script.breaks(Invariant::Kept);
        }
        // What came after the restart has no excuse.
        later.publish(&[message(2)]);
        let receipt = later.deliver(&message(1), 1);
        later.ack(receipt);
        later.rest(0, &[]);
        later.breaks(Invariant::Kept);
    }
}

#[test]
fn a_wipe_that_was_meant_is_no_loss() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.nack(receipt, Action::DeadLetter);
    script.mark(Mark::Wiped);
    script.rest(0, &[]);
    script.is_clean();
}
