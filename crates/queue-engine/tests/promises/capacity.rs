use std::time::Duration;

use forebay_queue_core::{QueueConfig, SettleOutcome};
use forebay_queue_engine::Refusal;

use crate::trial::{MINUTE, SECOND, Trial, config, keyed, plain};

fn trial(capacity: usize) -> Trial {
    Trial::with(QueueConfig {
        capacity,
        ..config()
    })
}

const FULL: Result<Vec<forebay_queue_core::PublishOutcome>, Refusal> =
    Err(Refusal::Full { limit: 3 });

#[test]
fn scheduled_ready_and_leased_count() {
    let mut trial = trial(3);
    trial.publish(plain("leased"));
    let delivery = trial.take();
    trial.publish(plain("ready"));
    trial.publish(plain("scheduled").with_delay(MINUTE));
    assert_eq!(trial.engine.room(), 0);
    assert_eq!(trial.publish_all([plain("x")]), FULL);
    assert_eq!(trial.ack(&delivery), SettleOutcome::Done);
    assert_eq!(trial.engine.room(), 1);
    trial.publish(plain("x"));
    assert_eq!(trial.publish_all([plain("y")]), FULL);
}

#[test]
fn dead_and_done_do_not_count() {
    let mut trial = Trial::with(QueueConfig {
        capacity: 1,
        retain_done: MINUTE,
        ..config()
    });
    trial.kill(plain("dead"), "no");
    trial.publish(plain("done"));
    let delivery = trial.take();
    trial.ack(&delivery);
    assert_eq!(trial.engine.room(), 1);
    trial.publish(plain("fits"));
}

#[test]
fn a_batch_is_taken_as_a_whole_or_not_at_all() {
    let mut trial = trial(3);
    trial.fill(1);
    assert_eq!(
        trial.publish_all([plain("a"), plain("b"), plain("c")]),
        FULL
    );
    assert_eq!(trial.stats().ready, 1);
    trial.publish_all([plain("a"), plain("b")]).unwrap();
}

#[test]
fn a_batch_larger_than_the_queue_will_never_fit() {
    let mut trial = trial(3);
    let batch = ["a", "b", "c", "d"].map(plain);
    let refusal = trial.publish_all(batch);
    assert_eq!(refusal, Err(Refusal::TooLarge { size: 4, limit: 3 }));
    assert_eq!(trial.stats().ready, 0);
    trial.publish_all(["a", "b", "c"].map(plain)).unwrap();
}

#[test]
fn duplicates_take_no_room() {
    let mut trial = trial(3);
    trial.publish(keyed("k"));
    let batch = [keyed("k"), keyed("l"), keyed("l"), keyed("m"), keyed("k")];
    let outcomes = trial.publish_all(batch).unwrap();
    assert_eq!(outcomes.iter().filter(|o| o.is_duplicate()).count(), 3);
    assert_eq!(trial.engine.room(), 0);
    assert!(trial.publish_one(keyed("m")).is_duplicate());
}

#[test]
fn a_nack_is_never_refused() {
    let mut trial = trial(3);
    trial.fill(3);
    let deliveries = trial.receive(3);
    assert_eq!(trial.retry(&deliveries[0], SECOND), SettleOutcome::Done);
    assert_eq!(
        trial.release(&deliveries[1], Duration::ZERO),
        SettleOutcome::Done
    );
    assert_eq!(trial.dead_letter(&deliveries[2], "no"), SettleOutcome::Done);
    assert_eq!(trial.engine.room(), 1);
}

#[test]
fn an_update_to_a_smaller_capacity_drops_nothing_and_refuses_until_there_is_room() {
    let mut trial = trial(5);
    trial.fill(5);
    trial.engine.update(QueueConfig {
        capacity: 3,
        ..config()
    });
    assert_eq!(trial.stats().ready, 5);
    assert_eq!(trial.stats().capacity, 3);
    let deliveries = trial.receive(9);
    assert_eq!(deliveries.len(), 5);
    for delivery in &deliveries[..2] {
        assert_eq!(trial.publish_all([plain("x")]), FULL);
        trial.ack(delivery);
    }
    assert_eq!(trial.publish_all([plain("x")]), FULL);
    trial.ack(&deliveries[2]);
    trial.publish(plain("x"));
    assert_eq!(trial.retry(&deliveries[3], SECOND), SettleOutcome::Done);
}

#[test]
fn an_update_to_a_larger_capacity_makes_room() {
    let mut trial = trial(3);
    trial.fill(3);
    trial.engine.update(QueueConfig {
        capacity: 4,
        ..config()
    });
    trial.publish(plain("x"));
}

#[test]
fn an_expired_message_makes_room() {
    let mut trial = trial(3);
    trial.fill(2);
    trial.publish(plain("short").with_time_to_live(SECOND));
    assert_eq!(trial.publish_all([plain("x")]), FULL);
    trial.wait(SECOND);
    trial.publish(plain("x"));
}
