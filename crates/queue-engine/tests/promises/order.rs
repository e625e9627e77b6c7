use std::time::Duration;

use forebay_queue_core::{FairnessKey, MessageId, SettleOutcome};

use crate::trial::{MINUTE, SECOND, Trial, payload, plain};

#[test]
fn first_deliveries_come_in_the_order_of_acceptance() {
    let mut trial = Trial::new();
    for n in 0..100 {
        trial.publish(plain(&n.to_string()));
        trial.wait(SECOND / 10);
    }
    let mut order = Vec::new();
    while order.len() < 100 {
        order.extend(trial.receive(7).iter().map(payload));
    }
    assert!(order.iter().enumerate().all(|(n, p)| *p == n.to_string()));
}

#[test]
fn the_order_holds_when_the_clock_steps_back() {
    let mut trial = Trial::new();
    trial.wait(MINUTE);
    for n in 0..50 {
        trial.publish(plain(&n.to_string()));
        trial.back(SECOND);
    }
    let order: Vec<String> = trial.receive(99).iter().map(payload).collect();
    assert!(order.iter().enumerate().all(|(n, p)| *p == n.to_string()));
}

#[test]
fn the_order_does_not_come_from_the_ids() {
    let mut trial = Trial::new();
    for n in (0..10_u8).rev() {
        let id = forebay_queue_core::MessageId::from_bytes([n; 16]);
        trial.publish(plain(&n.to_string()).with_id(id));
    }
    let order: Vec<String> = trial.receive(99).iter().map(payload).collect();
    assert_eq!(order.concat(), "9876543210");
}

#[test]
fn each_fairness_key_keeps_its_order() {
    let mut trial = Trial::new();
    for n in 0..30 {
        let key = FairnessKey::new(["a", "b", "c"][n % 3]).unwrap();
        trial.publish(plain(&format!("{n:02}")).with_fairness_key(key));
    }
    let deliveries = trial.receive(99);
    for key in ["a", "b", "c"] {
        let of_key = deliveries
            .iter()
            .filter(|d| d.message.fairness_key().as_str() == key);
        let order: Vec<String> = of_key.map(payload).collect();
        assert_eq!(order.len(), 10);
        assert!(order.is_sorted(), "{key}: {order:?}");
    }
}

#[test]
fn what_is_given_back_at_once_does_not_keep_the_others_waiting() {
    let mut trial = Trial::new();
    trial.fill(3);
    let first = trial.receive(1);
    trial.release(&first[0], Duration::ZERO);
    let next = trial.receive(1);
    assert_eq!(payload(&next[0]), "1");
}

#[test]
fn what_is_parked_by_a_delay_may_be_overtaken() {
    let mut trial = Trial::new();
    trial.publish(plain("parked").with_delay(SECOND));
    trial.publish(plain("free"));
    assert_eq!(payload(&trial.take()), "free");
}

#[test]
fn a_message_taken_from_the_middle_leaves_the_order_whole() {
    let mut trial = Trial::new();
    let ids = trial.fill(5);
    for n in [2, 0, 4] {
        trial.cancel(ids[n]);
    }
    trial.publish(plain("5"));
    let order: Vec<String> = trial.receive(9).iter().map(payload).collect();
    assert_eq!(order.concat(), "135");
}

#[test]
fn a_receive_for_more_than_there_is_gives_what_there_is() {
    let mut trial = Trial::new();
    trial.fill(3);
    assert_eq!(trial.receive(usize::MAX).len(), 3);
    trial.assert_nothing_to_receive();
}

#[test]
fn a_receive_gives_no_more_than_was_asked_for() {
    let mut trial = Trial::new();
    trial.fill(5);
    assert_eq!(trial.receive(2).len(), 2);
    let stats = trial.stats();
    assert_eq!((stats.leased, stats.ready), (2, 3));
}

#[test]
fn a_model_may_say_which_are_handed_out_and_in_which_order() {
    let mut trial = Trial::new();
    let ids = trial.fill(4);
    let late = trial.publish(plain("late").with_delay(MINUTE));
    let now = trial.now;

    let mut copy = trial.engine.clone();
    let chosen = [ids[2], ids[0]];
    let deliveries = trial.engine.receive_these(now, &chosen).unwrap();
    let order: Vec<MessageId> = deliveries.iter().map(|d| d.message.id()).collect();
    assert_eq!(order, chosen);
    assert_eq!(deliveries[0].attempt, 1);
    assert_eq!(trial.ack(&deliveries[0]), SettleOutcome::Done);
    assert_eq!(trial.receive(99).len(), 2, "the others stay ready");

    for refused in [ids[1], late] {
        let twice = [ids[3], refused, refused];
        assert_eq!(copy.receive_these(now, &twice).unwrap_err(), refused);
    }
    assert_eq!(copy.stats(now).ready, 4, "nothing was handed out");
    copy.pause();
    assert_eq!(copy.receive_these(now, &ids).unwrap_err(), ids[0]);
}
