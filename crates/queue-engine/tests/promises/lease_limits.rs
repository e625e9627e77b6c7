use std::time::Duration;

use forebay_queue_core::{NackAction, Rule};

use crate::trial::{MINUTE, SECOND, Trial, bucket, fair, of};

#[test]
fn no_more_leases_live_than_the_key_may_have() {
    let mut trial = Trial::new();
    trial.limit("a", 2);
    trial.publish_all((0..5).map(|_| of("a"))).unwrap();
    trial.publish_all((0..2).map(|_| of("b"))).unwrap();
    let got = trial.receive(10);
    assert_eq!(got.len(), 4);
    assert!(!trial.engine.has_ready());
    trial.ack(
        got.iter()
            .find(|d| d.message.fairness_key() == &fair("a"))
            .unwrap(),
    );
    assert_eq!(trial.turns(5), ["a"]);
}

#[test]
fn a_lease_that_ends_in_any_way_makes_room() {
    let mut trial = Trial::new();
    trial.limit("a", 1);
    trial.publish_all((0..6).map(|_| of("a"))).unwrap();
    let delivery = trial.take();
    trial.assert_nothing_to_receive();
    trial.ack(&delivery);
    let delivery = trial.take();
    trial.retry(&delivery, MINUTE);
    let delivery = trial.take();
    trial.release(&delivery, MINUTE);
    let delivery = trial.take();
    trial.nack(&delivery.receipt, NackAction::DeadLetter, None);
    trial.take();
    trial.assert_nothing_to_receive();
    trial.wait(30 * SECOND);
    trial.take();
    trial.assert_nothing_to_receive();
}

#[test]
fn a_limit_changes_while_the_queue_runs() {
    let mut trial = Trial::new();
    trial.publish_all((0..10).map(|_| of("a"))).unwrap();
    trial.receive(4);
    trial.limit("a", 3);
    trial.assert_nothing_to_receive();
    trial.limit("a", 6);
    assert_eq!(trial.receive(10).len(), 2);
    trial.set(&Rule::LeaseLimit(fair("a"), None));
    assert_eq!(trial.receive(10).len(), 4);
}

#[test]
fn a_key_at_its_limit_keeps_no_token_from_others() {
    let mut trial = Trial::new();
    trial.limit("a", 1);
    trial.throttle("smtp", 1, 1);
    let of = |key: &str| of(key).with_throttle_key(bucket("smtp"));
    trial.publish_all((0..5).map(|_| of("a"))).unwrap();
    trial.publish_all((0..5).map(|_| of("b"))).unwrap();
    let held = trial.take();
    assert_eq!(held.message.fairness_key(), &fair("a"));
    for _ in 0..3 {
        trial.wait(SECOND);
        assert_eq!(trial.turns(2), ["b"]);
    }
    trial.wait(SECOND);
    trial.ack(&held);
    let next = trial.turns(3);
    assert_eq!(next.len(), 1);
    trial.wait(SECOND);
    assert_eq!(trial.turns(3).len(), 1);
}

#[test]
fn room_goes_to_those_who_missed_their_tokens_and_to_the_line_in_turns() {
    let mut trial = Trial::new();
    trial.throttle("smtp", 1, 1);
    let throttled = || of("a").with_throttle_key(bucket("smtp"));
    trial.publish_all((0..30).map(|_| throttled())).unwrap();
    let mut held = trial.take();
    trial.limit("a", 1);
    trial.publish_all((0..30).map(|_| of("a"))).unwrap();
    let mut plain = 0;
    for _ in 0..20 {
        // There is a token, and no room.
        trial.wait(SECOND);
        trial.assert_nothing_to_receive();
        trial.ack(&held);
        held = trial.take();
        plain += usize::from(held.message.throttle_keys().is_empty());
    }
    assert!((9..=11).contains(&plain), "{plain}");
}

#[test]
fn an_end_of_lease_is_room_at_that_time() {
    let mut trial = Trial::new();
    trial.limit("a", 1);
    trial.publish_all((0..2).map(|_| of("a"))).unwrap();
    trial.take();
    let end = trial.now.after(30 * SECOND);
    assert_eq!(trial.engine.next_event(), Some(end));
    trial.wait(30 * SECOND - Duration::from_nanos(1));
    trial.assert_nothing_to_receive();
    trial.wait(Duration::from_nanos(1));
    trial.take();
}
