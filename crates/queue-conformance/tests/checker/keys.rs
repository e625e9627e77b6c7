//! I8: one message for each idempotency key and window.

use std::time::Duration;

use forebay_queue_conformance::checker::{Invariant, Rules};
use forebay_queue_conformance::history::{Answered, Asked, Mark, Posted, Published, Tag, When};

use crate::script::{Script, id, keyed, message, ms};

const WINDOW: Duration = Duration::from_mins(1);

fn script() -> Script {
    Script::with(Rules {
        window: WINDOW,
        ..Rules::default()
    })
}

#[test]
fn one_key_is_accepted_once_within_its_window() {
    for (wait, clean) in [(WINDOW.saturating_sub(ms(100)), false), (WINDOW, true)] {
        let mut script = script();
        script.publish(&[keyed(1, "key")]);
        script.wait(wait);
        script.publish(&[keyed(2, "other"), message(3)]);
        script.publish(&[keyed(4, "key")]);
        if clean {
            script.is_clean();
        } else {
            let report = script.breaks(Invariant::OnePerKey);
            assert_eq!(report.violations[0].ids, [id(1), id(4)]);
        }
    }
}

#[test]
fn two_publishes_at_once_are_one_message() {
    for both in [true, false] {
        let mut script = script();
        let one = script.ask(Asked::Publish(vec![keyed(1, "key")]));
        let other = script.ask(Asked::Publish(vec![keyed(2, "key")]));
        let answer = if both {
            Published::Accepted(id(2))
        } else {
            Published::Duplicate {
                id: id(1),
                same_fingerprint: true,
            }
        };
        script.ok(other, Answered::Published(vec![answer]));
        script.ok(one, Answered::Published(vec![Published::Accepted(id(1))]));
        if both {
            script.breaks(Invariant::OnePerKey);
        } else {
            script.is_clean();
        }
    }
}

#[test]
fn a_delay_and_a_retry_prolong_the_window() {
    let mut delayed = script();
    delayed.publish(&[Posted {
        deliver: Some(When::After(WINDOW)),
        ..keyed(1, "key")
    }]);
    delayed.wait(WINDOW + ms(100));
    delayed.publish(&[keyed(2, "key")]);
    delayed.breaks(Invariant::OnePerKey);

    let mut retried = script();
    retried.publish(&[keyed(1, "key")]);
    let receipt = retried.deliver(&keyed(1, "key"), 1);
    retried.wait(Duration::from_secs(20));
    retried.retry(receipt);
    retried.wait(WINDOW.saturating_sub(Duration::from_secs(10)));
    let mut later = retried.clone();
    retried.publish(&[keyed(2, "key")]);
    retried.breaks(Invariant::OnePerKey);
    later.wait(Duration::from_secs(10));
    later.publish(&[keyed(2, "key")]);
    later.is_clean();
}

#[test]
fn a_retry_after_the_window_does_not_take_the_key_from_another() {
    let mut script = script();
    script.publish(&[keyed(1, "key")]);
    script.wait(WINDOW);
    let mut alone = script.clone();
    // Meanwhile the key stands for the second; until its window ends, the first cannot have it back.
    script.publish(&[keyed(2, "key")]);
    script.wait(WINDOW.saturating_sub(ms(100)));
    let receipt = script.deliver(&keyed(1, "key"), 1);
    let mut within = script.clone();
    script.retry(receipt);
    script.wait(ms(200));
    script.publish(&[keyed(3, "key")]);
    script.is_clean();

    within.publish(&[keyed(3, "key")]);
    within.breaks(Invariant::OnePerKey);

    // A third one that may have been accepted had it last.
    let mut unknown = alone.clone();
    unknown.publish_lost(&[keyed(2, "key")]);
    let receipt = unknown.deliver(&keyed(1, "key"), 1);
    unknown.retry(receipt);
    unknown.wait(ms(200));
    unknown.publish(&[keyed(3, "key")]);
    unknown.is_clean();

    // With nobody else the key is its own again.
    let receipt = alone.deliver(&keyed(1, "key"), 1);
    alone.retry(receipt);
    alone.wait(ms(200));
    alone.publish(&[keyed(2, "key")]);
    alone.breaks(Invariant::OnePerKey);
}

#[test]
fn a_duplicate_names_the_first_message() {
    let mut script = script();
    script.publish(&[keyed(1, "key")]);
    let mut wrong = script.clone();
    script.publish_known(keyed(2, "key"), id(1), true);
    script.is_clean();

    wrong.publish(&[message(3)]);
    wrong.publish_known(keyed(2, "key"), id(3), true);
    wrong.breaks(Invariant::OnePerKey);

    let mut invented = self::script();
    invented.publish_known(keyed(2, "key"), id(9), true);
    let broken = invented.report().broken();
    assert!(broken.contains(&Invariant::OnePerKey));
}

#[test]
fn the_fingerprint_is_told_truly() {
    let with = |n, print: &str| Posted {
        fingerprint: Some(Tag::of(print.as_bytes())),
        ..keyed(n, "key")
    };
    let answers = [
        (with(2, "a"), true, true),
        (with(2, "a"), false, false),
        (with(2, "b"), false, true),
        (with(2, "b"), true, false),
        (keyed(2, "key"), false, true),
    ];
    for (second, same, clean) in answers {
        let mut script = script();
        script.publish(&[with(1, "a")]);
        script.publish_known(second, id(1), same);
        if clean {
            script.is_clean();
        } else {
            script.breaks(Invariant::OnePerKey);
        }
    }
}

#[test]
fn a_store_that_lost_everything_knows_no_key() {
    let mut script = script();
    script.publish(&[keyed(1, "key")]);
    script.mark(Mark::Wiped);
    script.publish(&[keyed(2, "key")]);
    script.is_clean();
}

#[test]
fn a_publish_repeated_after_an_unknown_is_one_message() {
    // It had happened: the second answer names it.
    let mut happened = script();
    happened.publish_lost(&[keyed(1, "key")]);
    let mut not = happened.clone();
    happened.publish_known(keyed(1, "key"), id(1), true);
    let mut twice = happened.clone();
    let receipt = happened.deliver(&keyed(1, "key"), 1);
    happened.ack(receipt);
    happened.rest(0, &[]);
    happened.is_clean();

    // And so it must not be lost.
    twice.rest(0, &[]);
    twice.breaks(Invariant::Kept);

    // It had not.
    not.publish(&[keyed(1, "key")]);
    let receipt = not.deliver(&keyed(1, "key"), 1);
    not.ack(receipt);
    not.rest(0, &[]);
    not.is_clean();

    // It had, under an id of its own, and was accepted again under another: two messages.
    let mut doubled = script();
    doubled.publish_lost(&[keyed(1, "key")]);
    doubled.publish(&[keyed(2, "key")]);
    doubled.is_clean();
    doubled.deliver(&keyed(1, "key"), 1);
    doubled.breaks(Invariant::OnePerKey);
}

#[test]
fn a_queue_without_a_window_knows_no_keys() {
    let mut script = script();
    script.rules.window = Duration::ZERO;
    script.publish(&[keyed(1, "key")]);
    script.publish(&[keyed(2, "key")]);
    script.is_clean();
}
