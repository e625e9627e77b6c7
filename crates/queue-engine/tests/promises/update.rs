use std::time::Duration;

use forebay_queue_core::{QueueConfig, SettleOutcome};

use crate::trial::{NANO, SECOND, Trial, config, payload, plain};

fn lease(seconds: u64) -> QueueConfig {
    QueueConfig {
        lease: Duration::from_secs(seconds),
        ..config()
    }
}

#[test]
fn running_leases_keep_their_end() {
    let mut trial = Trial::with(lease(30));
    trial.publish(plain("a"));
    let delivery = trial.take();
    trial.engine.update(lease(1));
    trial.wait(30 * SECOND - NANO);
    trial.assert_nothing_to_receive();
    assert_eq!(trial.ack(&delivery), SettleOutcome::Done);
}

#[test]
fn later_hand_outs_and_extensions_have_the_new_length() {
    let mut trial = Trial::with(lease(30));
    trial.fill(2);
    let old = trial.receive(1);
    trial.engine.update(lease(5));
    let new = trial.receive(1);
    assert_eq!(new[0].lease, 5 * SECOND);
    assert_eq!(trial.extend(&old[0]), SettleOutcome::Done);
    trial.wait(5 * SECOND);
    let order: Vec<String> = trial.receive(9).iter().map(payload).collect();
    assert_eq!(order.len(), 2);
}

#[test]
fn leases_of_several_lengths_end_each_at_its_time() {
    let mut trial = Trial::new();
    let seconds = [30, 5, 60, 1, 10, 5, 30];
    for (n, length) in seconds.into_iter().enumerate() {
        trial.engine.update(lease(length));
        trial.publish(plain(&n.to_string()));
        trial.take();
    }
    trial.engine.update(lease(1_000));
    let mut order = Vec::new();
    for _ in 0..60 {
        let next = trial.engine.next_event();
        trial.wait(SECOND);
        let back = trial.receive(9);
        assert_eq!(back.is_empty(), next > Some(trial.now));
        order.extend(back.iter().map(payload));
    }
    let mut pairs = order[2..4].to_vec();
    pairs.sort();
    assert_eq!(order[0], "3");
    assert_eq!(order.len(), 7, "{order:?}");
    assert_eq!(order[6], "2");
}

#[test]
fn many_lengths_come_and_go() {
    let mut trial = Trial::new();
    let mut held = Vec::new();
    for round in 0..200_u64 {
        trial.engine.update(lease(1 + round % 50));
        trial.publish(plain("x"));
        held.extend(trial.receive(1));
        if round % 3 == 0 {
            let delivery = held.remove(held.len() / 2);
            assert_eq!(trial.extend(&delivery), SettleOutcome::Done);
            assert_eq!(trial.ack(&delivery), SettleOutcome::Done);
        }
    }
    assert_eq!(trial.stats().leased, held.len() as u64);
    for delivery in &held {
        assert_eq!(trial.ack(delivery), SettleOutcome::Done);
    }
    assert_eq!(trial.engine.next_event(), None);
}
