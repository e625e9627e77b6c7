use std::time::Duration;

use forebay_queue_core::{CancelOutcome, MessageId, QueueConfig, State};

use crate::trial::{MINUTE, SECOND, Trial, config, keyed, plain};

use CancelOutcome::{AlreadyOver, AlreadyRunning, Cancelled, NotFound};

fn keeping() -> Trial {
    Trial::with(QueueConfig {
        retain_done: MINUTE,
        ..config()
    })
}

#[test]
fn a_ready_message_is_cancelled_and_gone() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    assert_eq!(trial.cancel(id), Cancelled);
    trial.assert_nothing_to_receive();
    assert_eq!(trial.engine.live(), 0);
}

#[test]
fn a_scheduled_message_is_cancelled_and_gone() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a").with_delay(SECOND).with_time_to_live(MINUTE));
    assert_eq!(trial.cancel(id), Cancelled);
    assert_eq!(trial.engine.next_event(), None);
    trial.wait(SECOND);
    trial.assert_nothing_to_receive();
}

#[test]
fn one_that_is_waiting_for_its_retry_is_cancelled() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    let delivery = trial.take();
    trial.retry(&delivery, SECOND);
    assert_eq!(trial.cancel(id), Cancelled);
    trial.wait(SECOND);
    trial.assert_nothing_to_receive();
}

#[test]
fn a_leased_message_runs_to_its_end() {
    let mut trial = Trial::new();
    let id = trial.publish(keyed("k"));
    let delivery = trial.take();
    assert_eq!(trial.cancel(id), AlreadyRunning);
    assert_eq!(trial.cancel_key("k"), AlreadyRunning);
    assert_eq!(
        trial.ack(&delivery),
        forebay_queue_core::SettleOutcome::Done
    );
}

#[test]
fn one_whose_lease_ran_out_is_cancelled() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    trial.take();
    trial.wait(30 * SECOND);
    assert_eq!(trial.cancel(id), Cancelled);
}

#[test]
fn an_unknown_id_and_an_unknown_key_are_not_found() {
    let mut trial = Trial::new();
    assert_eq!(trial.cancel(MessageId::from_bytes([9; 16])), NotFound);
    assert_eq!(trial.cancel_key("never seen"), NotFound);
}

#[test]
fn one_that_has_ended_and_is_kept_is_already_over() {
    let mut trial = keeping();
    let acked = trial.publish(plain("acked"));
    let delivery = trial.take();
    trial.ack(&delivery);
    assert_eq!(trial.cancel(acked), AlreadyOver);
    let cancelled = trial.publish(plain("cancelled"));
    assert_eq!(trial.cancel(cancelled), Cancelled);
    assert_eq!(trial.cancel(cancelled), AlreadyOver);
    let expired = trial.publish(plain("expired").with_time_to_live(SECOND));
    trial.wait(SECOND);
    assert_eq!(trial.cancel(expired), AlreadyOver);
    let dead = trial.kill(plain("dead"), "no");
    assert_eq!(trial.cancel(dead), AlreadyOver);
    assert_eq!(trial.state(dead), Some(State::Dead));
}

#[test]
fn a_key_within_its_window_outlives_its_message() {
    let mut trial = Trial::new();
    trial.publish(keyed("acked"));
    let delivery = trial.take();
    trial.ack(&delivery);
    assert_eq!(trial.cancel_key("acked"), AlreadyOver);
    trial.publish(keyed("cancelled"));
    assert_eq!(trial.cancel_key("cancelled"), Cancelled);
    assert_eq!(trial.cancel_key("cancelled"), AlreadyOver);
    trial.kill(keyed("dead"), "no");
    assert_eq!(trial.cancel_key("dead"), AlreadyOver);
    trial.publish(keyed("purged"));
    let now = trial.now;
    trial.engine.purge(now);
    assert_eq!(trial.cancel_key("purged"), AlreadyOver);
}

#[test]
fn a_scheduled_message_is_cancelled_by_its_key() {
    let mut trial = Trial::new();
    let id = trial.publish(keyed("k").with_delay(Duration::from_hours(48)));
    trial.wait(Duration::from_hours(47));
    assert_eq!(trial.cancel_key("k"), Cancelled);
    assert_eq!(trial.state(id), None);
}

#[test]
fn a_key_after_its_window_is_not_found() {
    let mut trial = Trial::new();
    trial.publish(keyed("k"));
    trial.wait(Duration::from_hours(24));
    assert_eq!(trial.cancel_key("k"), NotFound);
}

#[test]
fn cancelling_one_leaves_the_others() {
    let mut trial = Trial::new();
    let ids = trial.fill(100);
    for id in ids.iter().step_by(3) {
        assert_eq!(trial.cancel(*id), Cancelled);
    }
    let left = trial.receive(100);
    let expected: Vec<MessageId> = (0..100).filter(|n| n % 3 != 0).map(|n| ids[n]).collect();
    let received: Vec<MessageId> = left.iter().map(|d| d.message.id()).collect();
    assert_eq!(received, expected);
}
