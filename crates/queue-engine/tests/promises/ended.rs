//! What has ended is kept for `retain_done`.

use std::time::Duration;

use forebay_queue_core::{QueueConfig, State};

use crate::trial::{MINUTE, NANO, SECOND, Trial, config, plain};

fn keeping(span: Duration, limit: usize) -> Trial {
    Trial::with(QueueConfig {
        retain_done: span,
        retain_done_limit: limit,
        ..config()
    })
}

#[test]
fn by_default_nothing_is_kept() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    let delivery = trial.take();
    trial.ack(&delivery);
    assert_eq!(trial.state(id), None);
    assert_eq!(trial.stats().done, 0);
}

#[test]
fn acked_cancelled_and_expired_are_kept_for_the_time_and_no_longer() {
    let mut trial = keeping(MINUTE, 100);
    let done = trial.publish(plain("done"));
    let delivery = trial.take();
    trial.ack(&delivery);
    let cancelled = trial.publish(plain("cancelled"));
    trial.cancel(cancelled);
    let now = trial.now;
    let expired = trial.publish(plain("expired").with_expires_at(now));
    assert_eq!(trial.stats().done, 3);
    trial.wait(MINUTE - NANO);
    assert_eq!(trial.state(done), Some(State::Done));
    assert_eq!(trial.state(cancelled), Some(State::Cancelled));
    assert_eq!(trial.state(expired), Some(State::Expired));
    assert_eq!(trial.get(done).unwrap().ended_at, Some(now));
    trial.wait(NANO);
    for id in [done, cancelled, expired] {
        assert_eq!(trial.state(id), None);
    }
    assert_eq!(trial.stats().done, 0);
}

#[test]
fn over_the_limit_the_oldest_go() {
    let mut trial = keeping(MINUTE, 3);
    let ids = trial.fill(5);
    for delivery in trial.receive(9) {
        trial.ack(&delivery);
        trial.wait(SECOND);
    }
    assert_eq!(trial.stats().done, 3);
    assert_eq!(trial.state(ids[1]), None);
    assert_eq!(trial.walk(State::Done, 10, |_| {}), ids[2..]);
}

#[test]
fn each_state_is_listed_for_itself() {
    let mut trial = keeping(MINUTE, 100);
    let ids = trial.fill(6);
    for id in &ids[3..] {
        trial.cancel(*id);
    }
    for delivery in trial.receive(9) {
        trial.ack(&delivery);
    }
    assert_eq!(trial.walk(State::Done, 2, |_| {}), ids[..3]);
    assert_eq!(trial.walk(State::Cancelled, 2, |_| {}), ids[3..]);
    assert!(trial.walk(State::Expired, 2, |_| {}).is_empty());
}

#[test]
fn an_update_to_zero_forgets_them() {
    let mut trial = keeping(MINUTE, 100);
    let ids = trial.fill(1);
    trial.cancel(ids[0]);
    trial.engine.update(config());
    assert_eq!(trial.state(ids[0]), None);
}

#[test]
fn what_is_kept_tells_its_attempt_and_history() {
    let mut trial = keeping(MINUTE, 100);
    let id = trial.publish(plain("a"));
    let delivery = trial.take();
    trial.retry(&delivery, Duration::ZERO);
    let delivery = trial.take();
    trial.ack(&delivery);
    let kept = trial.get(id).unwrap();
    assert_eq!(kept.attempt, 2);
    assert_eq!(kept.errors.len(), 1);
    assert_eq!((kept.due_at, kept.leased_until), (None, None));
}
