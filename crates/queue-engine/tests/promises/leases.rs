use forebay_queue_core::{SettleOutcome, State};

use crate::trial::{NANO, SECOND, Trial, plain};

use SettleOutcome::{Done, LeaseLost};

#[test]
fn while_a_lease_lasts_no_one_else_receives_the_message() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let delivery = trial.take();
    assert_eq!(delivery.lease, 30 * SECOND);
    assert_eq!(delivery.delivered_at, trial.now);
    trial.wait(30 * SECOND - NANO);
    trial.assert_nothing_to_receive();
    assert_eq!(trial.ack(&delivery), Done);
}

#[test]
fn a_lease_that_ran_out_brings_the_message_back_at_once() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    trial.take();
    trial.wait(30 * SECOND);
    let again = trial.take();
    assert_eq!(again.message.id(), id);
}

#[test]
fn a_lease_that_ran_out_is_lost_even_if_nobody_took_it() {
    for verb in 0..5 {
        let mut trial = Trial::new();
        let id = trial.publish(plain("a"));
        let delivery = trial.take();
        trial.wait(30 * SECOND);
        let outcome = match verb {
            0 => trial.ack(&delivery),
            1 => trial.extend(&delivery),
            2 => trial.retry(&delivery, SECOND),
            3 => trial.release(&delivery, SECOND),
            _ => trial.dead_letter(&delivery, "late"),
        };
        assert_eq!(outcome, LeaseLost, "verb {verb}");
        assert_eq!(trial.state(id), Some(State::Ready), "verb {verb}");
        assert_eq!(trial.take().attempt, 2);
    }
}

#[test]
fn an_extension_lasts_from_now_and_the_receipt_stays() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    let delivery = trial.take();
    for _ in 0..10 {
        trial.wait(29 * SECOND);
        assert_eq!(trial.extend(&delivery), Done);
        let until = trial.get(id).unwrap().leased_until;
        assert_eq!(until, Some(trial.now.after(30 * SECOND)));
    }
    trial.assert_nothing_to_receive();
    assert_eq!(trial.ack(&delivery), Done);
    assert_eq!(trial.state(id), None);
}

#[test]
fn a_late_answer_does_not_touch_the_next_holder() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    let late = trial.take();
    trial.wait(30 * SECOND);
    let next = trial.take();
    let held = trial.get(id).unwrap().leased_until;
    trial.wait(SECOND);
    assert_eq!(trial.ack(&late), LeaseLost);
    assert_eq!(trial.extend(&late), LeaseLost);
    assert_eq!(trial.retry(&late, SECOND), LeaseLost);
    assert_eq!(trial.release(&late, SECOND), LeaseLost);
    assert_eq!(trial.dead_letter(&late, "late"), LeaseLost);
    let seen = trial.get(id).unwrap();
    assert_eq!(seen.state, State::Leased);
    assert_eq!(seen.leased_until, held);
    assert_eq!(seen.attempt, 2);
    assert_eq!(seen.errors.len(), 1, "only the lease that ran out");
    assert_eq!(trial.ack(&next), Done);
}

#[test]
fn an_answer_counts_once() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let delivery = trial.take();
    assert_eq!(trial.ack(&delivery), Done);
    assert_eq!(trial.ack(&delivery), LeaseLost);
    let now = trial.now;
    trial.publish(plain("b"));
    let receipt = trial.take().receipt;
    let twice = trial.engine.ack(now, &[receipt.clone(), receipt]);
    assert_eq!(twice, [Done, LeaseLost]);
}

#[test]
fn a_receipt_does_not_settle_another_message_in_the_same_place() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let old = trial.take();
    trial.ack(&old);
    let id = trial.publish(plain("b"));
    let new = trial.take();
    assert_eq!(trial.ack(&old), LeaseLost);
    assert_eq!(trial.state(id), Some(State::Leased));
    assert_eq!(trial.ack(&new), Done);
}

#[test]
fn answers_to_a_batch_stand_in_its_order() {
    let mut trial = Trial::new();
    trial.fill(3);
    let deliveries = trial.receive(3);
    trial.ack(&deliveries[1]);
    let receipts: Vec<_> = deliveries.iter().map(|d| d.receipt.clone()).collect();
    let now = trial.now;
    assert_eq!(
        trial.engine.extend(now, &receipts),
        [Done, LeaseLost, Done],
        "extend"
    );
    assert_eq!(trial.engine.ack(now, &receipts), [Done, LeaseLost, Done]);
}

#[test]
fn extended_leases_outlive_those_given_later() {
    let mut trial = Trial::new();
    trial.publish(plain("kept"));
    let kept = trial.take();
    trial.wait(10 * SECOND);
    trial.publish(plain("left"));
    let left = trial.take();
    trial.wait(15 * SECOND);
    assert_eq!(trial.extend(&kept), Done);
    trial.wait(15 * SECOND);
    let back = trial.take();
    assert_eq!(back.message.id(), left.message.id());
    assert_eq!(trial.ack(&kept), Done);
}

#[test]
fn the_next_event_is_the_first_lease_to_end() {
    let mut trial = Trial::new();
    trial.fill(2);
    assert_eq!(trial.engine.next_event(), None);
    let first = trial.receive(1);
    let started = trial.now;
    trial.wait(SECOND);
    trial.receive(1);
    assert_eq!(trial.engine.next_event(), Some(started.after(30 * SECOND)));
    trial.ack(&first[0]);
    assert_eq!(trial.engine.next_event(), Some(started.after(31 * SECOND)));
}
