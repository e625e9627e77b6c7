//! A store with a flaw does not get through: the simulator notices, and the checker names the invariant.

mod broken;

use forebay_queue_conformance::checker::Invariant;
use forebay_simulation::Simulation;

use crate::broken::{Flaw, broken};

/// Within so many seeds a flaw has to be noticed.
const SEEDS: u64 = 40;

fn is_noticed(flaw: Flaw, as_breach_of: Invariant) {
    let mut seen = Vec::new();
    for seed in 1..=SEEDS {
        let run = Simulation::new(seed).wrap(broken(flaw)).run();
        let run = run.expect("nothing but the store is broken");
        let breaches = run.broken();
        if breaches.contains(&as_breach_of) {
            let text = run.to_string();
            assert!(text.contains(&format!("cargo xtask simulate --seed {seed}")));
            return;
        }
        seen.extend(breaches);
    }
    panic!("{flaw:?}: no breach of {as_breach_of:?} in {SEEDS} seeds, only of {seen:?}");
}

#[test]
fn a_sound_store_gets_through_the_same_wrapping() {
    for seed in 1..=10 {
        let run = Simulation::new(seed).wrap(broken(Flaw::None)).run();
        let run = run.expect("nothing is broken");
        assert!(run.is_clean(), "{run}");
    }
}

#[test]
fn a_lost_publish_is_noticed() {
    is_noticed(Flaw::LosesPublishes, Invariant::Kept);
}

#[test]
fn a_forgotten_nack_is_noticed() {
    is_noticed(Flaw::ForgetsNacks, Invariant::Kept);
}

#[test]
fn a_message_lost_with_its_lease_is_noticed() {
    is_noticed(Flaw::LosesExpiredLeases, Invariant::Kept);
}

#[test]
fn an_altered_payload_is_noticed() {
    is_noticed(Flaw::AltersPayloads, Invariant::Unaltered);
}

#[test]
fn a_second_holder_is_noticed() {
    is_noticed(Flaw::DeliversTwice, Invariant::Explained);
}

#[test]
fn a_stale_receipt_that_is_taken_is_noticed() {
    is_noticed(Flaw::TakesStaleReceipts, Invariant::Fenced);
}

#[test]
fn an_ack_that_lies_is_noticed() {
    is_noticed(Flaw::LiesAboutAcks, Invariant::Over);
}

#[test]
fn attempts_that_are_not_counted_are_noticed() {
    is_noticed(Flaw::ForgetsAttempts, Invariant::Attempts);
}

#[test]
fn an_early_delivery_is_noticed() {
    is_noticed(Flaw::HandsOutEarly, Invariant::NotEarly);
}

#[test]
fn a_forgotten_key_is_noticed() {
    is_noticed(Flaw::ForgetsKeys, Invariant::OnePerKey);
}

#[test]
fn counts_that_do_not_add_up_are_noticed() {
    is_noticed(Flaw::Miscounts, Invariant::AddsUp);
}

#[test]
fn a_worker_that_outstays_its_limit_is_noticed() {
    is_noticed(Flaw::Blocks, Invariant::Shutdown);
}

#[test]
fn a_backlog_that_does_not_drain_is_noticed() {
    is_noticed(Flaw::Dawdles, Invariant::Drains);
}
