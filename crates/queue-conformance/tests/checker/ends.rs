//! I5: nothing is delivered after its confirmed end.

use forebay_queue_conformance::checker::Invariant;
use forebay_queue_conformance::history::{
    Action, Answered, Asked, CancelBy, Cancelled, Posted, Settled, Tag, When,
};

use crate::script::{LEASE, Script, id, keyed, message, ms};

#[test]
fn what_was_acked_never_comes_again() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.ack(receipt);
    script.is_clean();
    script.wait(LEASE);
    script.deliver(&message(1), 2);
    script.breaks(Invariant::Over);
}

#[test]
fn an_ack_that_was_refused_or_not_answered_ends_nothing() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    script.wait(LEASE);
    let mut lost = script.clone();
    script.ack_refused(receipt);
    script.deliver(&message(1), 2);
    script.is_clean();
    lost.ack_lost(receipt);
    lost.deliver(&message(1), 2);
    lost.is_clean();
}

#[test]
fn an_ack_in_a_batch_counts_by_itself() {
    let mut script = Script::new();
    script.publish(&[message(1), message(2)]);
    let one = script.deliver(&message(1), 1);
    let other = script.deliver(&message(2), 1);
    script.wait(LEASE.saturating_sub(ms(100)));
    let call = script.ask(Asked::Ack(vec![one, other]));
    script.wait(ms(200));
    let answers = vec![Settled::LeaseLost, Settled::Done];
    script.ok(call, Answered::Settled(answers));
    let mut healthy = script.clone();
    healthy.deliver(&message(1), 2);
    healthy.is_clean();
    script.deliver(&message(2), 2);
    script.breaks(Invariant::Over);
}

#[test]
fn a_dead_letter_comes_again_only_by_a_redrive() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let receipt = script.deliver(&message(1), 1);
    let mut overlapping = script.clone();
    script.nack(receipt, Action::DeadLetter);
    let mut refused = script.clone();
    script.deliver(&message(1), 2);
    script.breaks(Invariant::Over);

    // A redrive that found nothing explains nothing.
    refused.redrive(0);
    refused.deliver(&message(1), 1);
    refused.breaks(Invariant::Over);

    // One that was not answered may have found it, also while the nack was under way.
    let redrive = overlapping.ask(Asked::Redrive);
    overlapping.nack(receipt, Action::DeadLetter);
    overlapping.unknown(redrive);
    overlapping.deliver(&message(1), 1);
    overlapping.is_clean();
}

#[test]
fn what_was_cancelled_never_comes() {
    let key = CancelBy::Key(Tag::of(b"key"));
    for by in [CancelBy::Id(id(1)), key] {
        let mut script = Script::new();
        script.publish(&[keyed(1, "key")]);
        let mut running = script.clone();
        script.cancel(by, Cancelled::Cancelled);
        script.deliver(&keyed(1, "key"), 1);
        script.breaks(Invariant::Over);

        running.cancel(by, Cancelled::AlreadyRunning);
        running.deliver(&keyed(1, "key"), 1);
        running.is_clean();
    }
}

#[test]
fn a_cancel_under_way_may_have_come_after_the_release() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    let cancel = script.ask(Asked::Cancel(CancelBy::Id(id(1))));
    let receipt = script.deliver(&message(1), 1);
    script.release(receipt);
    script.ok(cancel, Answered::Cancelled(Cancelled::Cancelled));
    script.rest(0, &[]);
    script.is_clean();
}

#[test]
fn what_has_expired_is_not_delivered() {
    for (expires, clean) in [(ms(50), false), (ms(500), true)] {
        let mut script = Script::new();
        let posted = Posted {
            expires: Some(When::After(expires)),
            ..message(1)
        };
        let at = script.now().after(expires);
        script.publish(std::slice::from_ref(&posted));
        script.wait(ms(100));
        let mut handed = script.handed(&posted, 1);
        handed.expires_at = Some(at);
        script.deliver_this(handed);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::Over);
        }
    }
}

#[test]
fn a_redrive_lifts_the_end_of_life() {
    let mut script = Script::new();
    let at = script.now().after(ms(100));
    let posted = Posted {
        expires: Some(When::At(at)),
        ..message(1)
    };
    script.publish(std::slice::from_ref(&posted));
    let mut handed = script.handed(&posted, 1);
    handed.expires_at = Some(at);
    let receipt = script.deliver_this(handed);
    script.nack(receipt, Action::DeadLetter);
    script.wait(ms(200));
    script.redrive(1);
    let mut handed = script.handed(&posted, 1);
    handed.expires_at = Some(at);
    let receipt = script.deliver_this(handed);
    script.ack(receipt);
    script.rest(0, &[]);
    script.is_clean();
}
