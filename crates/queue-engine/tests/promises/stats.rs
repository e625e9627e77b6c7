use forebay_queue_core::QueueConfig;

use crate::trial::{MINUTE, SECOND, Trial, config, keyed, plain};

#[test]
fn every_message_is_counted_once_in_its_state() {
    let mut trial = Trial::with(QueueConfig {
        retain_done: MINUTE,
        capacity: 50,
        ..config()
    });
    trial.kill(plain("dead"), "no");
    trial.publish(keyed("done"));
    let delivery = trial.take();
    trial.ack(&delivery);
    trial.fill(5);
    trial.receive(2);
    for _ in 0..4 {
        trial.publish(plain("later").with_delay(MINUTE));
    }
    let stats = trial.stats();
    assert_eq!(stats.scheduled, 4);
    assert_eq!(stats.ready, 3);
    assert_eq!(stats.leased, 2);
    assert_eq!(stats.done, 1);
    assert_eq!(stats.dead, 1);
    assert_eq!(stats.idempotency_keys, 1);
    assert_eq!(stats.capacity, 50);
    assert_eq!(stats.live(), trial.engine.live() as u64);
    assert_eq!(trial.engine.room() as u64, 50 - stats.live());
}

#[test]
fn the_oldest_age_is_of_the_one_that_has_been_ready_longest() {
    let mut trial = Trial::new();
    assert_eq!(trial.stats().oldest_age, None);
    trial.publish(plain("later").with_delay(MINUTE));
    assert_eq!(trial.stats().oldest_age, None);
    trial.publish(plain("a"));
    trial.wait(SECOND);
    trial.publish(plain("b"));
    trial.wait(SECOND);
    assert_eq!(trial.stats().oldest_age, Some(2 * SECOND));
    trial.receive(1);
    assert_eq!(trial.stats().oldest_age, Some(SECOND));
}

#[test]
fn the_age_of_a_delayed_message_counts_from_its_due_time_not_from_the_next_look() {
    let mut trial = Trial::new();
    trial.publish(plain("a").with_delay(MINUTE));
    trial.wait(3 * MINUTE);
    assert_eq!(trial.stats().oldest_age, Some(2 * MINUTE));
}

#[test]
fn the_age_of_one_whose_lease_ran_out_counts_from_the_end_of_the_lease() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    trial.take();
    trial.wait(MINUTE);
    assert_eq!(trial.stats().oldest_age, Some(30 * SECOND));
}
