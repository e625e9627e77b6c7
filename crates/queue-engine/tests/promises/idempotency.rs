use std::time::Duration;

use forebay_queue_core::{CancelOutcome, Fingerprint, PublishOutcome, QueueConfig, SettleOutcome};
use forebay_queue_engine::Refusal;

use crate::trial::{MINUTE, NANO, SECOND, Trial, config, keyed, plain};

const WINDOW: Duration = Duration::from_hours(1);

fn trial() -> Trial {
    Trial::with(QueueConfig {
        idempotency_window: WINDOW,
        ..config()
    })
}

impl Trial {
    fn assert_duplicate(&mut self, text: &str, first: forebay_queue_core::MessageId) {
        let outcome = self.publish_one(keyed(text));
        assert!(outcome.is_duplicate(), "the key was forgotten");
        assert_eq!(outcome.id(), first);
    }
}

#[test]
fn a_repeated_key_answers_with_the_first_id_and_adds_nothing() {
    let mut trial = trial();
    let first = trial.publish(keyed("k"));
    trial.assert_duplicate("k", first);
    trial.publish(keyed("another"));
    assert_eq!(trial.stats().ready, 2);
    assert_eq!(trial.stats().idempotency_keys, 2);
}

#[test]
fn the_window_runs_from_acceptance() {
    let mut trial = trial();
    let first = trial.publish(keyed("k"));
    trial.wait(WINDOW - NANO);
    trial.assert_duplicate("k", first);
    trial.wait(NANO);
    let second = trial.publish(keyed("k"));
    assert_ne!(second, first);
    trial.wait(WINDOW - NANO);
    trial.assert_duplicate("k", second);
}

#[test]
fn a_duplicate_does_not_renew_the_window() {
    let mut trial = trial();
    let first = trial.publish(keyed("k"));
    trial.wait(WINDOW - NANO);
    trial.assert_duplicate("k", first);
    trial.wait(NANO);
    trial.publish(keyed("k"));
}

#[test]
fn the_window_of_a_scheduled_message_runs_from_its_due_time() {
    let mut trial = trial();
    let first = trial.publish(keyed("k").with_delay(3 * WINDOW));
    trial.wait(WINDOW);
    trial.assert_duplicate("k", first);
    trial.wait(3 * WINDOW - NANO);
    trial.assert_duplicate("k", first);
    trial.wait(NANO);
    trial.publish(keyed("k"));
}

#[test]
fn a_retry_begins_the_window_anew() {
    let mut trial = trial();
    let first = trial.publish(keyed("k"));
    trial.wait(WINDOW - SECOND);
    let delivery = trial.take();
    trial.retry(&delivery, SECOND);
    trial.wait(WINDOW - NANO);
    trial.assert_duplicate("k", first);
    trial.wait(NANO);
    trial.publish(keyed("k"));
}

#[test]
fn a_dead_letter_begins_the_window_anew() {
    let mut trial = trial();
    let first = trial.publish(keyed("k"));
    trial.wait(WINDOW - SECOND);
    let delivery = trial.take();
    trial.dead_letter(&delivery, "no");
    trial.wait(WINDOW - NANO);
    trial.assert_duplicate("k", first);
    trial.wait(NANO);
    trial.publish(keyed("k"));
}

#[test]
fn a_redrive_begins_the_window_anew_even_after_it_had_ended() {
    let mut trial = trial();
    let first = trial.kill(keyed("k"), "no");
    trial.wait(3 * WINDOW);
    assert_eq!(trial.stats().idempotency_keys, 0);
    trial.redrive_all();
    trial.wait(WINDOW - NANO);
    trial.assert_duplicate("k", first);
    trial.wait(NANO);
    trial.publish(keyed("k"));
}

#[test]
fn a_release_and_a_lease_that_ran_out_leave_the_window_as_it_was() {
    let mut trial = trial();
    trial.publish(keyed("k"));
    trial.wait(WINDOW - MINUTE);
    let delivery = trial.take();
    trial.release(&delivery, Duration::ZERO);
    trial.take();
    trial.wait(30 * SECOND);
    trial.take();
    trial.wait(30 * SECOND);
    trial.publish(keyed("k"));
}

#[test]
fn a_later_message_keeps_its_key_when_the_earlier_one_is_retried_or_redriven() {
    let mut trial = trial();
    trial.kill(keyed("k"), "no");
    trial.wait(2 * WINDOW);
    let second = trial.publish(keyed("k"));
    let delivery = trial.take();
    trial.ack(&delivery);
    trial.redrive_all();
    trial.assert_duplicate("k", second);
    let old = trial.take();
    trial.retry(&old, SECOND);
    trial.assert_duplicate("k", second);
    trial.wait(WINDOW);
    trial.publish(keyed("k"));
}

#[test]
fn the_key_stays_known_after_ack_cancel_expiry_and_purge() {
    let mut trial = trial();
    let acked = trial.publish(keyed("acked"));
    let delivery = trial.take();
    assert_eq!(trial.ack(&delivery), SettleOutcome::Done);
    let cancelled = trial.publish(keyed("cancelled"));
    assert_eq!(trial.cancel(cancelled), CancelOutcome::Cancelled);
    let expired = trial.publish(keyed("expired").with_time_to_live(SECOND));
    trial.wait(SECOND);
    let purged = trial.publish(keyed("purged"));
    let now = trial.now;
    assert_eq!(trial.engine.purge(now), 1);
    trial.wait(WINDOW - MINUTE);
    trial.assert_duplicate("acked", acked);
    trial.assert_duplicate("cancelled", cancelled);
    trial.assert_duplicate("expired", expired);
    trial.assert_duplicate("purged", purged);
    trial.assert_nothing_to_receive();
}

#[test]
fn a_repetition_inside_one_batch_is_a_duplicate_of_the_first() {
    let mut trial = trial();
    let outcomes = trial
        .publish_all([plain("x"), keyed("k"), keyed("k"), keyed("l"), keyed("k")])
        .unwrap();
    let first = outcomes[1].id();
    let duplicate = PublishOutcome::Duplicate {
        id: first,
        same_fingerprint: true,
    };
    assert_eq!(outcomes[1], PublishOutcome::Accepted(first));
    assert_eq!([outcomes[2], outcomes[4]], [duplicate; 2]);
    assert!(!outcomes[3].is_duplicate());
    assert_eq!(trial.stats().ready, 3);
}

#[test]
fn a_duplicate_says_whether_the_fingerprint_is_the_same() {
    let prints = [None, Some(Fingerprint([1; 32])), Some(Fingerprint([2; 32]))];
    let message = |print: Option<Fingerprint>| match print {
        Some(print) => keyed("k").with_fingerprint(print),
        None => keyed("k"),
    };
    for first in prints {
        for second in prints {
            let expected = first == second;
            let told = |outcome| match outcome {
                PublishOutcome::Duplicate {
                    same_fingerprint, ..
                } => same_fingerprint,
                PublishOutcome::Accepted(_) => panic!("not a duplicate"),
            };
            let mut apart = trial();
            apart.publish(message(first));
            assert_eq!(told(apart.publish_one(message(second))), expected);
            let mut together = trial();
            let outcomes = together
                .publish_all([message(first), message(second)])
                .unwrap();
            assert_eq!(told(outcomes[1]), expected);
        }
    }
}

#[test]
fn the_fingerprint_outlives_the_message() {
    let mut trial = trial();
    let print = Fingerprint([7; 32]);
    trial.publish(keyed("k").with_fingerprint(print));
    let delivery = trial.take();
    trial.retry(&delivery, Duration::ZERO);
    let delivery = trial.take();
    trial.ack(&delivery);
    let outcome = trial.publish_one(keyed("k").with_fingerprint(print));
    assert!(matches!(
        outcome,
        PublishOutcome::Duplicate {
            same_fingerprint: true,
            ..
        }
    ));
}

#[test]
fn a_window_of_zero_remembers_nothing() {
    let mut trial = Trial::with(QueueConfig {
        idempotency_window: Duration::ZERO,
        idempotency_limit: 1,
        ..config()
    });
    let outcomes = trial.publish_all([keyed("k"), keyed("k"), keyed("l")]);
    assert!(outcomes.unwrap().iter().all(|o| !o.is_duplicate()));
    trial.publish(keyed("k"));
    assert_eq!(trial.stats().idempotency_keys, 0);
}

#[test]
fn too_many_keys_are_refused_all_or_nothing() {
    let mut trial = Trial::with(QueueConfig {
        idempotency_window: WINDOW,
        idempotency_limit: 3,
        ..config()
    });
    let first = trial.publish(keyed("a"));
    trial.publish(keyed("b"));
    let refusal = trial.publish_all([plain("x"), keyed("c"), keyed("d")]);
    assert_eq!(refusal, Err(Refusal::KeysFull { limit: 3 }));
    assert_eq!(trial.stats().ready, 2);
    trial.publish(keyed("c"));
    trial.assert_duplicate("a", first);
    trial.publish(plain("without a key"));
    assert!(trial.publish_all([keyed("d")]).is_err());
    trial.wait(WINDOW);
    trial.publish(keyed("d"));
}

#[test]
fn a_nack_is_not_refused_for_want_of_room_for_keys() {
    let mut trial = Trial::with(QueueConfig {
        idempotency_window: SECOND,
        idempotency_limit: 1,
        ..config()
    });
    trial.publish(keyed("a"));
    let a = trial.take();
    trial.wait(SECOND);
    trial.publish(keyed("b"));
    assert_eq!(trial.retry(&a, Duration::ZERO), SettleOutcome::Done);
    let outcome = trial.publish_one(keyed("a"));
    assert_eq!(outcome.id(), a.message.id());
}

#[test]
fn a_renewed_key_ends_after_its_new_window_only() {
    let mut trial = trial();
    let first = trial.publish(keyed("k"));
    for _ in 0..5 {
        trial.wait(WINDOW / 2);
        let delivery = trial.take();
        trial.retry(&delivery, Duration::ZERO);
    }
    trial.assert_duplicate("k", first);
    assert_eq!(trial.stats().idempotency_keys, 1);
    trial.wait(WINDOW);
    assert_eq!(trial.stats().idempotency_keys, 0);
}

#[test]
fn keys_run_out_of_their_window_at_a_time_that_is_told() {
    let mut trial = trial();
    assert_eq!(trial.engine.next_key_end(), None);
    trial.publish(keyed("k"));
    assert_eq!(trial.engine.next_key_end(), Some(trial.now.after(WINDOW)));
    assert_eq!(trial.engine.next_event(), None, "nothing else happens then");
}

#[test]
fn a_batch_of_nothing_but_duplicates_is_answered_without_room() {
    let mut trial = Trial::with(QueueConfig {
        capacity: 2,
        ..config()
    });
    let first = trial.publish(keyed("a"));
    trial.publish(keyed("b"));
    trial.assert_duplicate("a", first);
    let now = trial.now;
    let batch = [keyed("a"), keyed("b")];
    let answered = trial.engine.answer_without_room(now, &batch).unwrap();
    assert_eq!(answered[0].id(), first);
    let full = Err(forebay_queue_engine::Refusal::Full { limit: 2 });
    let mixed = [keyed("a"), keyed("c")];
    assert_eq!(trial.engine.answer_without_room(now, &mixed), full);
    let plain = [plain("x")];
    assert_eq!(trial.engine.answer_without_room(now, &plain), full);
}
