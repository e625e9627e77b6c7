use forebay_queue_core::{MessageId, PublishOutcome, State};
use forebay_queue_engine::Refusal;

use crate::trial::{MINUTE, SECOND, Trial, keyed, payload, plain};

fn id(n: u8) -> MessageId {
    MessageId::from_bytes([n; 16])
}

#[test]
fn what_was_published_is_delivered_unaltered() {
    let mut trial = Trial::new();
    let mut message = plain("bytes \u{0} and more")
        .with_fairness_key(forebay_queue_core::FairnessKey::new("tenant").unwrap());
    message.headers_mut().insert("traceparent", "00-1").unwrap();
    let sent = message.clone();
    let id = trial.publish(message);
    let got = trial.take().message;
    assert_eq!(got.id(), id);
    assert_eq!(got.payload(), sent.payload());
    assert_eq!(got.kind(), sent.kind());
    assert_eq!(got.headers(), sent.headers());
    assert_eq!(got.fairness_key(), sent.fairness_key());
    assert_eq!(got.published_at(), trial.now);
}

#[test]
fn answer_i_belongs_to_message_i() {
    let mut trial = Trial::new();
    let first = trial.publish(keyed("known"));
    let outcomes = trial
        .publish_all([
            plain("a").with_id(id(1)),
            keyed("known"),
            plain("b").with_id(id(2)),
        ])
        .unwrap();
    assert_eq!(outcomes[0], PublishOutcome::Accepted(id(1)));
    assert_eq!(outcomes[1].id(), first);
    assert!(outcomes[1].is_duplicate());
    assert_eq!(outcomes[2], PublishOutcome::Accepted(id(2)));
}

#[test]
fn an_empty_batch_is_answered_with_nothing() {
    let mut trial = Trial::new();
    assert_eq!(trial.publish_all([]), Ok(vec![]));
    let now = trial.now;
    assert!(trial.engine.ack(now, &[]).is_empty());
    assert!(trial.engine.nack(now, &[]).is_empty());
    assert!(trial.engine.extend(now, &[]).is_empty());
    assert!(trial.receive(0).is_empty());
}

#[test]
fn the_senders_id_is_kept_and_a_missing_one_is_made() {
    let mut trial = Trial::new();
    assert_eq!(trial.publish(plain("a").with_id(id(9))), id(9));
    let made = trial.publish(plain("b"));
    assert_ne!(made, id(9));
    assert!(trial.get(made).is_some());
}

#[test]
fn an_id_in_use_is_refused_in_every_state_and_nothing_of_the_batch_is_taken() {
    let mut trial = Trial::with(forebay_queue_core::QueueConfig {
        retain_done: MINUTE,
        ..crate::trial::config()
    });
    trial.publish(plain("dead").with_id(id(1)));
    let delivery = trial.take();
    trial.dead_letter(&delivery, "no");
    trial.publish(plain("done").with_id(id(2)));
    let delivery = trial.take();
    trial.ack(&delivery);
    trial.publish(plain("leased").with_id(id(3)));
    trial.take();
    trial.publish(plain("ready").with_id(id(4)));
    trial.publish(plain("scheduled").with_id(id(5)).with_delay(SECOND));
    let before = trial.stats();
    for n in 1..=5 {
        let refusal = trial.publish_all([plain("fresh"), plain("again").with_id(id(n))]);
        assert_eq!(refusal, Err(Refusal::IdInUse(id(n))));
        assert_eq!(trial.stats(), before);
    }
}

#[test]
fn an_id_twice_in_one_batch_is_refused() {
    let mut trial = Trial::new();
    let refusal = trial.publish_all([plain("a").with_id(id(1)), plain("b").with_id(id(1))]);
    assert_eq!(refusal, Err(Refusal::IdInUse(id(1))));
    assert_eq!(trial.stats().ready, 0);
}

#[test]
fn an_id_is_free_again_once_the_queue_has_forgotten_it() {
    let mut trial = Trial::new();
    trial.publish(plain("a").with_id(id(1)));
    let delivery = trial.take();
    trial.ack(&delivery);
    assert_eq!(trial.publish(plain("b").with_id(id(1))), id(1));
    assert_eq!(trial.state(id(1)), Some(State::Ready));
}

#[test]
fn a_refused_batch_is_given_back_as_it_was() {
    let mut trial = Trial::with(forebay_queue_core::QueueConfig {
        capacity: 2,
        ..crate::trial::config()
    });
    trial.fill(1);
    let mut batch = vec![plain("x"), keyed("k")];
    let copy = batch.clone();
    assert_eq!(
        trial.try_publish(&mut batch),
        Err(Refusal::Full { limit: 2 })
    );
    assert_eq!(batch, copy);
    let delivery = trial.take();
    trial.ack(&delivery);
    assert!(trial.try_publish(&mut batch).is_ok());
    assert!(batch.is_empty());
    let payloads: Vec<String> = trial.receive(9).iter().map(payload).collect();
    assert_eq!(payloads, ["x", "keyed"]);
}

#[test]
fn a_message_that_ends_leaves_no_second_copy() {
    let mut trial = Trial::new();
    trial.fill(50);
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let deliveries = trial.receive(7);
        if deliveries.is_empty() {
            break;
        }
        for delivery in &deliveries {
            assert!(seen.insert(delivery.message.id()), "delivered twice");
            trial.ack(delivery);
        }
    }
    assert_eq!(seen.len(), 50);
    trial.wait(MINUTE);
    trial.assert_nothing_to_receive();
    assert_eq!(trial.engine.live(), 0);
}
