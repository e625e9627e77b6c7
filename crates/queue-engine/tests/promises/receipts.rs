use std::collections::HashSet;
use std::time::Duration;

use forebay_queue_core::{NackAction, Receipt, SettleOutcome, State};

use crate::trial::{SECOND, Trial, config, plain};

use SettleOutcome::{Done, LeaseLost};

#[test]
fn a_token_is_never_used_twice_over_release_retry_redrive_and_expiry() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let mut seen = HashSet::new();
    let mut old = Vec::new();
    for round in 0..40 {
        let delivery = trial.take();
        assert!(seen.insert(delivery.receipt.clone()), "round {round}");
        for receipt in &old {
            let outcome = trial.engine.ack(trial.now, std::slice::from_ref(receipt));
            assert_eq!(outcome, [LeaseLost], "round {round}");
        }
        match round % 4 {
            0 => assert_eq!(trial.release(&delivery, Duration::ZERO), Done),
            1 => assert_eq!(trial.retry(&delivery, Duration::ZERO), Done),
            2 => {
                assert_eq!(trial.dead_letter(&delivery, "no"), Done);
                assert_eq!(trial.redrive_all().redriven, 1);
            }
            _ => trial.wait(30 * SECOND),
        }
        old.push(delivery.receipt);
    }
}

#[test]
fn the_token_does_not_come_from_the_attempt() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let first = trial.take();
    trial.release(&first, Duration::ZERO);
    let second = trial.take();
    assert_eq!(first.attempt, second.attempt);
    assert_ne!(first.receipt, second.receipt);
    assert_eq!(trial.ack(&first), LeaseLost);
}

#[test]
fn a_receipt_of_another_queue_or_an_earlier_life_settles_nothing() {
    let mut here = Trial::seeded(config(), 1_000_000);
    let mut there = Trial::seeded(config(), 0xdead_beef_0000_0000);
    here.publish(plain("a"));
    there.publish(plain("a"));
    let mine = here.take();
    let foreign = there.take();
    assert_eq!(here.ack(&foreign), LeaseLost);
    assert_eq!(here.extend(&foreign), LeaseLost);
    assert_eq!(here.retry(&foreign, SECOND), LeaseLost);
    assert_eq!(here.ack(&mine), Done);
}

#[test]
fn garbage_settles_nothing_and_harms_nothing() {
    let mut trial = Trial::new();
    let id = trial.publish(plain("a"));
    let delivery = trial.take();
    let good = delivery.receipt.as_bytes().to_vec();
    let mut garbage: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xff; 12], vec![0; 12]];
    garbage.extend((0..good.len()).map(|end| good[..end].to_vec()));
    garbage.push([good.as_slice(), &[0]].concat());
    garbage.push([good.as_slice(), good.as_slice()].concat());
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        garbage.push(flipped);
    }
    for bytes in garbage {
        let receipt = Receipt::from_bytes(&bytes);
        let receipts = std::slice::from_ref(&receipt);
        assert_eq!(trial.engine.ack(trial.now, receipts), [LeaseLost]);
        assert_eq!(trial.engine.extend(trial.now, receipts), [LeaseLost]);
        let dead = trial.nack(&receipt, NackAction::DeadLetter, None);
        assert_eq!(dead, LeaseLost);
    }
    assert_eq!(trial.state(id), Some(State::Leased));
    assert_eq!(trial.ack(&delivery), Done);
}

#[test]
fn a_receipt_outlives_the_memory_of_its_message() {
    let mut trial = Trial::new();
    trial.publish(plain("a"));
    let delivery = trial.take();
    trial.release(&delivery, Duration::ZERO);
    let now = trial.now;
    assert_eq!(trial.engine.purge(now), 1);
    assert_eq!(trial.ack(&delivery), LeaseLost);
}
