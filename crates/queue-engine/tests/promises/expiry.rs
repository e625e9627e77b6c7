use std::time::Duration;

use forebay_queue_core::{SettleOutcome, State};

use crate::trial::{MINUTE, NANO, SECOND, Trial, plain};

#[test]
fn a_ready_message_expires_at_its_time_and_not_before() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_time_to_live(MINUTE));
    assert_eq!(trial.engine.next_event(), Some(trial.now.after(MINUTE)));
    trial.wait(MINUTE - NANO);
    assert_eq!(trial.state(id), Some(State::Ready));
    trial.wait(NANO);
    trial.assert_nothing_to_receive();
    assert_eq!(trial.state(id), None);
    assert_eq!(trial.engine.next_event(), None);
}

#[test]
fn a_scheduled_message_expires_too() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_delay(2 * MINUTE).with_time_to_live(MINUTE));
    trial.wait(MINUTE);
    assert_eq!(trial.state(id), None);
    trial.wait(MINUTE);
    trial.assert_nothing_to_receive();
}

#[test]
fn one_that_is_due_and_expired_at_the_same_time_is_not_delivered() {
    let mut trial = Trial::new();
    trial.publish(plain("a").with_delay(MINUTE).with_time_to_live(MINUTE));
    trial.wait(MINUTE);
    trial.assert_nothing_to_receive();
}

#[test]
fn one_that_is_published_expired_is_never_delivered() {
    let mut trial = Trial::new();
    let now = trial.now;
    trial.publish(plain("a").with_expires_at(now));
    trial.assert_nothing_to_receive();
    assert_eq!(trial.engine.live(), 0);
}

#[test]
fn a_running_message_finishes() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_time_to_live(SECOND));
    let delivery = trial.take();
    trial.wait(10 * SECOND);
    assert_eq!(trial.state(id), Some(State::Leased));
    assert_eq!(trial.extend(&delivery), SettleOutcome::Done);
    trial.wait(29 * SECOND);
    assert_eq!(trial.ack(&delivery), SettleOutcome::Done);
}

#[test]
fn a_nack_after_it_removes_the_message() {
    for verb in 0..3 {
        let mut trial = Trial::new();
        let id = trial.publish(plain("a").with_time_to_live(SECOND));
        let delivery = trial.take();
        trial.wait(SECOND);
        let outcome = match verb {
            0 => trial.retry(&delivery, Duration::ZERO),
            1 => trial.release(&delivery, Duration::ZERO),
            _ => trial.dead_letter(&delivery, "no"),
        };
        assert_eq!(outcome, SettleOutcome::Done);
        assert_eq!(trial.state(id), None, "verb {verb}");
        assert_eq!(trial.engine.live(), 0);
    }
}

#[test]
fn one_given_back_in_time_still_expires() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_time_to_live(MINUTE));
    let delivery = trial.take();
    trial.retry(&delivery, 2 * MINUTE);
    assert_eq!(trial.state(id), Some(State::Scheduled));
    trial.wait(MINUTE);
    assert_eq!(trial.state(id), None);
}

#[test]
fn a_lease_that_runs_out_after_it_removes_the_message() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_time_to_live(SECOND));
    trial.take();
    trial.wait(30 * SECOND);
    trial.assert_nothing_to_receive();
    assert_eq!(trial.state(id), None);
}

#[test]
fn a_redrive_lifts_it() {
    let mut trial = Trial::new();
    let id = trial.kill(plain("a").with_time_to_live(MINUTE), "no");
    trial.wait(2 * MINUTE);
    assert_eq!(trial.redrive_all().redriven, 1);
    trial.wait(MINUTE);
    let delivery = trial.take();
    assert_eq!(delivery.message.id(), id);
    trial.wait(SECOND);
    trial.retry(&delivery, SECOND);
    trial.wait(SECOND);
    trial.take();
}

#[test]
fn a_dead_letter_does_not_expire_before_its_retention() {
    let mut trial = Trial::new();
    let id = trial.kill(plain("a").with_time_to_live(SECOND), "no");
    trial.wait(MINUTE);
    assert_eq!(trial.state(id), Some(State::Dead));
}
