use forebay_queue_core::{QueueConfig, SettleOutcome, State};

use crate::trial::{MINUTE, SECOND, Trial, config, keyed, plain};

#[test]
fn a_paused_queue_hands_nothing_out_and_takes_everything() {
    let mut trial = Trial::new();
    trial.fill(2);
    let running = trial.receive(1);
    trial.engine.pause();
    assert!(trial.stats().paused);
    assert!(!trial.engine.has_ready());
    trial.assert_nothing_to_receive();
    trial.publish(plain("x"));
    assert_eq!(trial.extend(&running[0]), SettleOutcome::Done);
    assert_eq!(trial.ack(&running[0]), SettleOutcome::Done);
    assert_eq!(trial.stats().ready, 2);
}

#[test]
fn resume_goes_on_where_it_stood() {
    let mut trial = Trial::new();
    trial.fill(3);
    trial.engine.pause();
    trial.engine.resume();
    assert!(!trial.stats().paused);
    assert_eq!(trial.receive(9).len(), 3);
}

#[test]
fn pause_and_resume_are_idempotent() {
    let mut trial = Trial::new();
    trial.fill(1);
    trial.engine.pause();
    trial.engine.pause();
    trial.engine.resume();
    assert_eq!(trial.receive(9).len(), 1);
    trial.engine.resume();
    assert!(!trial.stats().paused);
}

#[test]
fn time_goes_on_while_paused() {
    let mut trial = Trial::new();
    let late = trial.publish(plain("short").with_time_to_live(SECOND));
    trial.publish(plain("leased"));
    trial.receive(1);
    trial.engine.pause();
    trial.publish(plain("due").with_delay(SECOND));
    trial.wait(MINUTE);
    let stats = trial.stats();
    assert_eq!((stats.scheduled, stats.leased), (0, 0));
    assert_eq!(stats.ready, 2, "the expired one is gone: {late}");
}

#[test]
fn purge_removes_scheduled_and_ready_and_leaves_the_rest() {
    let mut trial = Trial::with(QueueConfig {
        retain_done: MINUTE,
        ..config()
    });
    let dead = trial.kill(plain("dead"), "no");
    let done = trial.publish(plain("done"));
    let delivery = trial.take();
    trial.ack(&delivery);
    trial.publish(plain("leased"));
    let leased = trial.take();
    trial.fill(5);
    trial.publish(plain("scheduled").with_delay(SECOND));
    trial.publish(keyed("expiring").with_time_to_live(SECOND));
    let now = trial.now;
    assert_eq!(trial.engine.purge(now), 7);
    let stats = trial.stats();
    assert_eq!((stats.scheduled, stats.ready, stats.leased), (0, 0, 1));
    assert_eq!(trial.state(dead), Some(State::Dead));
    assert_eq!(trial.state(done), Some(State::Done));
    assert_eq!(trial.ack(&leased), SettleOutcome::Done);
    assert_eq!(trial.engine.next_event(), None);
    assert_eq!(trial.engine.purge(now), 0);
}

#[test]
fn a_purge_does_not_count_what_had_expired() {
    let mut trial = Trial::new();
    trial.fill(2);
    trial.publish(plain("short").with_time_to_live(SECOND));
    trial.wait(SECOND);
    let now = trial.now;
    assert_eq!(trial.engine.purge(now), 2);
}

#[test]
fn a_purged_queue_works_on() {
    let mut trial = Trial::new();
    trial.fill(10);
    let now = trial.now;
    trial.engine.purge(now);
    trial.assert_nothing_to_receive();
    trial.fill(10);
    assert_eq!(trial.receive(99).len(), 10);
}
