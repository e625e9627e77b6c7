//! I2: nothing delivered was never published, or is altered.

use forebay_queue_conformance::checker::Invariant;
use forebay_queue_conformance::history::{Answered, Asked, Handed, Published, Tag};
use forebay_queue_core::Kind;

use crate::script::{Script, id, message};

#[test]
fn a_message_that_nobody_published_is_found() {
    let mut script = Script::new();
    script.publish(&[message(1)]);
    script.deliver(&message(1), 1);
    let healthy = script.clone();
    script.deliver(&message(2), 1);
    let report = script.breaks(Invariant::Unaltered);
    assert_eq!(report.violations[0].ids, [id(2)]);
    healthy.is_clean();
}

#[test]
fn a_refused_publish_must_not_come_out() {
    let mut script = Script::new();
    let call = script.ask(Asked::Publish(vec![message(1)]));
    script.fail(call);
    script.is_clean();
    script.deliver(&message(1), 1);
    script.breaks(Invariant::Unaltered);
}

#[test]
fn every_part_of_a_message_is_compared() {
    let changes: [fn(&mut Handed); 4] = [
        |h| h.payload = Tag::of(b"another"),
        |h| h.headers = Tag::of(b"another"),
        |h| h.kind = Kind::from_static("another"),
        |h| h.key = Some(Tag::of(b"another")),
    ];
    for change in changes {
        let mut script = Script::new();
        script.publish(&[message(1)]);
        let mut handed = script.handed(&message(1), 1);
        let mut healthy = script.clone();
        healthy.deliver_this(handed.clone());
        healthy.is_clean();
        change(&mut handed);
        script.deliver_this(handed);
        script.breaks(Invariant::Unaltered);
    }
}

#[test]
fn a_message_cannot_come_before_it_was_published() {
    let mut script = Script::new();
    script.deliver(&message(1), 1);
    script.publish(&[message(1)]);
    script.breaks(Invariant::Unaltered);

    // Overlapping calls can explain it: the receiver was faster than the answer.
    let mut script = Script::new();
    let call = script.ask(Asked::Publish(vec![message(1)]));
    script.deliver(&message(1), 1);
    script.ok(call, Answered::Published(vec![Published::Accepted(id(1))]));
    script.is_clean();
}

#[test]
fn a_dead_letter_that_nobody_published_is_found() {
    let mut script = Script::new();
    script.rest(0, &[7]);
    script.breaks(Invariant::Unaltered);
}
