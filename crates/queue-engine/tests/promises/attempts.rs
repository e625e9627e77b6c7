use std::time::Duration;

use forebay_queue_core::{ErrorRecord, NackAction, State};

use crate::trial::{SECOND, Trial, plain};

const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn the_attempt_is_counted_at_the_hand_out() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    assert_eq!(trial.get(id).unwrap().attempt, 0);
    assert_eq!(trial.take().attempt, 1);
    assert_eq!(trial.get(id).unwrap().attempt, 1);
}

#[test]
fn a_retry_is_one_attempt_older() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    for attempt in 1..=5 {
        let delivery = trial.take();
        assert_eq!(delivery.attempt, attempt);
        trial.retry(&delivery, AT_ONCE);
    }
}

#[test]
fn a_release_gives_the_attempt_back() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    let delivery = trial.take();
    trial.retry(&delivery, AT_ONCE);
    for _ in 0..5 {
        let delivery = trial.take();
        assert_eq!(delivery.attempt, 2);
        trial.release(&delivery, AT_ONCE);
        assert_eq!(trial.get(id).unwrap().attempt, 1);
    }
}

#[test]
fn a_release_leaves_no_record() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let delivery = trial.take();
    let action = NackAction::Release { after: AT_ONCE };
    trial.nack(&delivery.receipt, action, Some("not a failure"));
    assert!(trial.take().errors.is_empty());
}

#[test]
fn a_crash_counts() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    for attempt in 1..=4 {
        assert_eq!(trial.take().attempt, attempt);
        trial.wait(30 * SECOND);
    }
}

#[test]
fn the_history_tells_each_failure_with_its_attempt_time_and_cause() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let first = trial.take();
    trial.wait(SECOND);
    let failed_at = trial.now;
    let action = NackAction::Retry { after: AT_ONCE };
    trial.nack(&first.receipt, action, Some("refused"));
    trial.take();
    trial.wait(30 * SECOND);
    let ran_out_at = trial.now;
    trial.wait(SECOND);
    let third = trial.take();
    assert_eq!(third.attempt, 3);
    let expected = [
        ErrorRecord::new(1, failed_at, "refused"),
        ErrorRecord::new(2, ran_out_at, "the lease ran out"),
    ];
    assert_eq!(third.errors, expected);
}

#[test]
fn the_history_keeps_the_latest_32() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    for n in 1..=40 {
        let delivery = trial.take();
        let action = NackAction::Retry { after: AT_ONCE };
        trial.nack(&delivery.receipt, action, Some(&format!("failure {n}")));
    }
    let delivery = trial.take();
    assert_eq!(delivery.attempt, 41);
    assert_eq!(delivery.errors.len(), ErrorRecord::MAX_COUNT);
    assert_eq!(&*delivery.errors[0].error, "failure 9");
    assert_eq!(&*delivery.errors[31].error, "failure 40");
}

#[test]
fn a_long_cause_is_cut() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    let delivery = trial.take();
    trial.dead_letter(&delivery, &"x".repeat(100_000));
    let dead = trial.get(id).unwrap();
    assert_eq!(dead.state, State::Dead);
    assert_eq!(dead.errors[0].error.len(), ErrorRecord::MAX_TEXT);
}

#[test]
fn age_counts_from_the_latest_of_published_due_and_redriven() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let published = trial.now;
    trial.wait(SECOND);
    let delivery = trial.take();
    assert_eq!(delivery.age_from, published);
    trial.retry(&delivery, SECOND);
    trial.wait(SECOND);
    let delivery = trial.take();
    assert_eq!(
        delivery.age_from, published,
        "a retry makes nothing younger"
    );
    trial.wait(SECOND);
    trial.dead_letter(&delivery, "no");
    trial.wait(SECOND);
    trial.redrive_all();
    let redriven = trial.now;
    trial.wait(SECOND);
    let delivery = trial.take();
    assert_eq!(delivery.age_from, redriven);
    trial.ack(&delivery);
    trial.publish(plain("b").with_delay(5 * SECOND));
    trial.wait(9 * SECOND);
    let due = trial.take();
    assert_eq!(due.age_from, due.message.deliver_at().unwrap());
}
