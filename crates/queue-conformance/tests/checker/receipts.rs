//! I4: a stale receipt never succeeds, and a live one is not refused.

use forebay_queue_conformance::checker::{Invariant, Rules};
use forebay_queue_conformance::history::{Action, Answered, Asked, Mark, Settled, Tag};

use crate::script::{LEASE, QUEUE, Script, message, ms};

/// Delivered twice, the lease between having run out: a stale and a live receipt.
fn twice() -> (Script, Tag, Tag) {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let stale = script.deliver(&message(1), 1);
    script.wait(LEASE);
    let live = script.deliver(&message(1), 2);
    (script, stale, live)
}

#[test]
fn a_stale_receipt_that_succeeds_is_found_for_every_verb() {
    let release = Action::Release(ms(0));
    let verbs: [fn(&mut Script, Tag); 4] = [
        Script::ack,
        Script::extend,
        Script::retry,
        |script, receipt| script.nack(receipt, Action::DeadLetter),
    ];
    for verb in verbs {
        let (mut script, stale, _) = twice();
        verb(&mut script, stale);
        script.breaks(Invariant::Fenced);
        let (mut script, _, live) = twice();
        verb(&mut script, live);
        script.is_clean();
    }
    let (mut script, stale, _) = twice();
    script.nack(stale, release);
    script.breaks(Invariant::Fenced);
}

#[test]
fn a_store_that_cannot_fence_may() {
    let (mut script, stale, _) = twice();
    script.rules.fencing = false;
    script.ack(stale);
    script.is_clean();
}

#[test]
fn a_stale_receipt_that_is_refused_is_right() {
    let (mut script, stale, live) = twice();
    script.ack_refused(stale);
    script.ack(live);
    script.rest(0, &[]);
    script.is_clean();
}

#[test]
fn a_receipt_settles_once() {
    let (script, _, live) = twice();
    for second in [Script::ack, Script::extend] {
        let mut script = script.clone();
        script.ack(live);
        script.is_clean();
        second(&mut script, live);
        script.breaks(Invariant::Fenced);
    }
}

#[test]
fn an_extension_that_overlaps_the_ack_may_have_been_first() {
    let (mut script, _, live) = twice();
    let extend = script.ask(Asked::Extend(vec![live]));
    let ack = script.ask(Asked::Ack(vec![live]));
    script.ok(ack, Answered::Settled(vec![Settled::Done]));
    script.ok(extend, Answered::Settled(vec![Settled::Done]));
    script.is_clean();
}

#[test]
fn a_lease_that_ran_out_is_lost_even_if_nobody_took_it() {
    for (wait, clean) in [
        (LEASE.saturating_sub(ms(100)), true),
        (LEASE + ms(100), false),
    ] {
        let mut script = Script::new();
        script.publish(&[message(1)]);
        let receipt = script.deliver(&message(1), 1);
        script.wait(wait);
        script.ack(receipt);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Fenced);
        }
    }
}

#[test]
fn an_ack_that_began_within_the_lease_may_succeed_after_it() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.wait(LEASE.saturating_sub(ms(100)));
    let call = script.ask(Asked::Ack(vec![receipt]));
    script.wait(ms(500));
    for answer in [Settled::Done, Settled::LeaseLost] {
        let mut script = script.clone();
        script.ok(call, Answered::Settled(vec![answer]));
        script.is_clean();
    }
}

#[test]
fn an_extension_of_unknown_effect_may_have_kept_the_lease() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    let call = script.ask(Asked::Extend(vec![receipt]));
    script.unknown(call);
    script.wait(LEASE + ms(100));
    let mut refused = script.clone();
    script.ack(receipt);
    script.is_clean();
    refused.ack_refused(receipt);
    refused.is_clean();
}

#[test]
fn a_live_receipt_is_not_refused() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    let healthy = script.clone();
    script.ack_refused(receipt);
    script.breaks(Invariant::Fenced);

    // An ack without an answer may have taken effect: the repeated one is then refused.
    let mut repeated = healthy.clone();
    repeated.ack_lost(receipt);
    repeated.ack_refused(receipt);
    repeated.rest(0, &[]);
    repeated.is_clean();

    // The store lost everything.
    let mut wiped = healthy.clone();
    wiped.mark(Mark::Wiped);
    wiped.ack_refused(receipt);
    wiped.is_clean();

    let mut late = healthy;
    late.wait(LEASE);
    late.ack_refused(receipt);
    late.is_clean();
}

#[test]
fn a_longer_lease_counts_from_the_next_extension() {
    let mut script = Script::new();
    script.mark(Mark::Lease {
        queue: QUEUE,
        lease: LEASE * 2,
    });
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.extend(receipt);
    script.wait(LEASE + ms(100));
    script.ack(receipt);
    script.is_clean();
}

#[test]
fn a_receipt_that_nobody_was_given_never_succeeds() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let mut refused = script.clone();
    script.ack(Tag::of(b"forged"));
    script.breaks(Invariant::Fenced);
    refused.ack_refused(Tag::of(b"forged"));
    refused.is_clean();
}

#[test]
fn clocks_that_differ_are_allowed_for() {
    for (skew, clean) in [(ms(0), false), (ms(500), true)] {
        let mut script = Script::with(Rules {
            skew,
            ..Rules::default()
        });
        script.publish(&[message(1)]);
        let receipt = script.deliver(&message(1), 1);
        script.wait(LEASE + ms(100));
        script.ack(receipt);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Fenced);
        }
    }
}
