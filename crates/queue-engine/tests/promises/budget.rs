//! So much comes due at once that one step does not deal with all of it.

use forebay_queue_core::{
    CancelOutcome, CancelTarget, IdempotencyKey, MessageId, NewMessage, QueueConfig, SettleOutcome,
};

use crate::trial::{MINUTE, SECOND, Trial, config, key, plain};

const MANY: usize = 20_000;

fn trial(config: QueueConfig) -> Trial {
    Trial::with(QueueConfig {
        capacity: 2_000_000,
        ..config
    })
}

impl Trial {
    fn many(&mut self, message: impl Fn() -> NewMessage) -> Vec<MessageId> {
        let outcomes = self.publish_all((0..MANY).map(|_| message()));
        let outcomes = outcomes.expect("there is room");
        outcomes
            .iter()
            .map(forebay_queue_core::PublishOutcome::id)
            .collect()
    }
}

#[test]
fn an_expired_message_is_never_handed_out() {
    let mut trial = trial(config());
    trial.many(|| plain("x").with_time_to_live(SECOND));
    trial.publish(plain("lives"));
    trial.wait(SECOND);
    let deliveries = trial.receive(MANY);
    assert!(deliveries.iter().all(|d| d.message.payload() == "lives"));
    assert_eq!(
        deliveries.len(),
        1,
        "the one that lives is received at once"
    );
    assert_eq!(trial.stats().live(), 1);
}

#[test]
fn a_receive_finds_what_is_ready_behind_all_that_has_ended() {
    let mut trial = trial(config());
    trial.many(|| plain("x").with_time_to_live(SECOND));
    assert_eq!(trial.receive(MANY).len(), MANY);
    trial.publish(plain("due").with_delay(31 * SECOND));
    trial.wait(31 * SECOND);
    assert_eq!(trial.take().message.payload(), "due");
}

#[test]
fn an_expired_message_is_never_cancelled() {
    let mut trial = trial(QueueConfig {
        retain_done: MINUTE,
        ..config()
    });
    let ids = trial.many(|| plain("x").with_time_to_live(SECOND));
    trial.wait(SECOND);
    assert_eq!(trial.cancel(ids[MANY - 1]), CancelOutcome::AlreadyOver);
}

#[test]
fn a_lease_that_ran_out_does_not_stop_a_cancel() {
    let mut trial = trial(config());
    let ids = trial.many(|| plain("x"));
    trial.receive(MANY);
    trial.wait(30 * SECOND);
    assert_eq!(trial.cancel(ids[MANY - 1]), CancelOutcome::Cancelled);
}

#[test]
fn a_lease_that_ran_out_is_lost_before_its_message_is_brought_back() {
    let mut trial = trial(config());
    trial.many(|| plain("x"));
    let deliveries = trial.receive(MANY);
    trial.wait(30 * SECOND);
    let last = &deliveries[MANY - 1];
    assert_eq!(trial.extend(last), SettleOutcome::LeaseLost);
    assert_eq!(trial.ack(last), SettleOutcome::LeaseLost);
    assert_eq!(trial.stats().ready, MANY as u64);
}

#[test]
fn expired_messages_make_all_their_room_at_once() {
    let mut trial = Trial::with(QueueConfig {
        capacity: MANY,
        ..config()
    });
    trial.many(|| plain("x").with_time_to_live(SECOND));
    trial.wait(SECOND);
    trial.many(|| plain("y"));
}

#[test]
fn keys_past_their_window_make_room_for_others() {
    let mut trial = trial(QueueConfig {
        idempotency_window: SECOND,
        idempotency_limit: MANY,
        ..config()
    });
    let keyed = |round: &str| {
        let of = |n: usize| IdempotencyKey::new(format!("{round}-{n}")).expect("valid");
        let messages = (0..MANY).map(|n| plain("x").with_idempotency_key(of(n)));
        messages.collect::<Vec<_>>()
    };
    trial.publish_all(keyed("a")).unwrap();
    trial.wait(SECOND);
    let outcomes = trial.publish_all(keyed("b")).unwrap();
    assert!(outcomes.iter().all(|o| !o.is_duplicate()));
    let target = CancelTarget::Key(key("a-19999"));
    let now = trial.now;
    assert_eq!(trial.engine.cancel(now, &target), CancelOutcome::NotFound);
}

#[test]
fn a_million_delayed_messages_come_due_at_once_and_each_is_delivered_once() {
    let mut trial = trial(config());
    let count = 1_000_000;
    for _ in 0..count / 10_000 {
        let batch = (0..10_000).map(|_| plain("x").with_delay(SECOND));
        trial.publish_all(batch).unwrap();
    }
    trial.wait(SECOND);
    let mut sequence = Vec::with_capacity(count);
    while sequence.len() < count {
        let deliveries = trial.receive(5_000);
        assert!(!deliveries.is_empty(), "after {}", sequence.len());
        let receipts: Vec<_> = deliveries.iter().map(|d| d.receipt.clone()).collect();
        sequence.extend(deliveries.iter().map(|d| d.message.id()));
        let now = trial.now;
        let outcomes = trial.engine.ack(now, &receipts);
        assert!(outcomes.iter().all(|o| *o == SettleOutcome::Done));
    }
    assert!(sequence.is_sorted(), "due together: in order of acceptance");
    sequence.dedup();
    assert_eq!(sequence.len(), count);
    assert_eq!(trial.stats().live(), 0);
}

#[test]
fn one_step_says_whether_it_got_through_and_the_next_event_stays_due() {
    let mut trial = trial(config());
    trial.many(|| plain("x").with_delay(SECOND));
    trial.wait(SECOND);
    let now = trial.now;
    let mut steps = 0;
    while !trial.engine.tick(now) {
        assert!(trial.engine.next_event() <= Some(now));
        steps += 1;
    }
    assert!((2..20).contains(&steps), "{steps} steps");
    assert_eq!(trial.engine.next_event(), None);
}
