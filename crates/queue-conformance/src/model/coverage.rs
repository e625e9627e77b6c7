//! What is made up by chance meets everything: a sequence that never fills the queue compares nothing of that.

use std::collections::BTreeMap;

use forebay_queue_core::{
    CancelOutcome, Capabilities, Durability, KeyStats, Limits, SettleOutcome, State,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::Timing;
use crate::model::answer::{Answer, Published, Refused};
use crate::model::operation::{Identity, Operation, Verdict};
use crate::model::{ModelSettings, Rules, generation};

const SEQUENCES: usize = 64;
const STEPS: usize = 50;

#[derive(Default)]
struct Met(BTreeMap<String, usize>);

impl Met {
    fn note(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn operation(&mut self, operation: &Operation) {
        let text = format!("{operation:?}");
        let name = text.split(|c: char| !c.is_alphanumeric()).next();
        self.note(name.unwrap_or_default());
        match operation {
            Operation::Publish(drafts) if drafts.len() > 3 => self.note("a long batch"),
            Operation::Nack(nacks) => {
                for (_, verdict) in nacks {
                    self.note(match verdict {
                        Verdict::Retry(None, _) => "retry at once",
                        Verdict::Retry(..) => "retry later",
                        Verdict::Release(None) => "release at once",
                        Verdict::Release(_) => "release later",
                        Verdict::DeadLetter(_) => "dead letter",
                    });
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, operation: &Operation, answer: &Answer) {
        match answer {
            Answer::Published(published) => {
                for outcome in published {
                    self.note(match outcome {
                        Published::Accepted(_) => "accepted",
                        Published::Duplicate { same: true, .. } => "the same again",
                        Published::Duplicate { same: false, .. } => "another with its key",
                    });
                }
            }
            Answer::Refused(refused) => {
                let again = |operation: &Operation| match operation {
                    Operation::Publish(drafts) => drafts
                        .iter()
                        .any(|draft| matches!(draft.identity, Identity::Again(_))),
                    _ => false,
                };
                assert!(!matches!(refused, Refused::Broken(_)), "{refused:?}");
                assert!(*refused != Refused::Invalid || again(operation));
                self.note(format!("refused: {refused:?}"));
            }
            Answer::Received(received) if received.is_empty() => self.note("nothing to receive"),
            Answer::Settled(outcomes) => {
                for outcome in outcomes {
                    self.note(match outcome {
                        SettleOutcome::Done => "settled",
                        SettleOutcome::LeaseLost => "too late",
                    });
                }
            }
            Answer::Cancelled(outcome) => self.note(match outcome {
                CancelOutcome::Cancelled => "cancelled",
                CancelOutcome::NotFound => "cancelled: nothing there",
                CancelOutcome::AlreadyRunning => "cancelled: it runs",
                CancelOutcome::AlreadyOver => "cancelled: it is over",
            }),
            Answer::Redriven(redriven) if redriven.full => self.note("no room to redrive"),
            Answer::Redriven(redriven) if redriven.redriven > 0 => self.note("redriven"),
            Answer::Count(count) if *count > 0 => self.note("some removed"),
            Answer::Explained(explained) => {
                let text = format!("{explained:?}");
                for reason in [
                    "Throttled",
                    "LeaseLimit",
                    "Behind",
                    "Paused",
                    "Leased(",
                    "Scheduled(",
                ] {
                    if text.contains(reason) {
                        self.note(format!("explained: {reason}"));
                    }
                }
            }
            Answer::Keys(keys) => {
                let is_full = |key: &KeyStats| {
                    let limit = key.lease_limit.map(|limit| u64::from(limit.get()));
                    limit.is_some_and(|limit| key.leased >= limit && key.ready > 0)
                };
                if keys.iter().any(is_full) {
                    self.note("a key at its limit");
                }
            }
            Answer::Buckets(buckets) if buckets.iter().any(|b| b.parked > 0) => {
                self.note("some parked");
            }
            Answer::Stats(stats) if stats.dead_dropped > 0 => self.note("dead letters dropped"),
            _ => {}
        }
    }
}

fn rules(exact: bool) -> Rules {
    let settings = ModelSettings {
        exact,
        ..ModelSettings::default()
    };
    let can = Capabilities {
        durability: Durability::Memory,
        shared: false,
        fencing: true,
        ordering: true,
        fairness: true,
        lease_limits: true,
        throttling: true,
        dead_letter_queue: false,
        retain_done: true,
        largest_delay: None,
        limits: Limits::DEFAULT,
    };
    Rules::new(&settings, &can, Timing::PAUSED)
}

fn met(exact: bool) -> Met {
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(1),
        ..Config::default()
    });
    let mut met = Met::default();
    for _ in 0..SEQUENCES {
        let begin = generation::begin(rules(exact)).new_tree(&mut runner);
        let mut player = begin.unwrap().current();
        for _ in 0..STEPS {
            let operation = generation::operation(&player).new_tree(&mut runner);
            let operation = operation.unwrap().current();
            assert!(player.can(&operation), "{operation:?}");
            let answer = player.play(&operation);
            met.operation(&operation);
            met.answer(&operation, &answer);
            player = player.after(&Operation::Wait(0));
            for (what, answer) in player.survey() {
                if let (Ok(state), Answer::Messages(found)) = (what.parse::<State>(), &answer)
                    && !found.is_empty()
                {
                    met.note(format!("some {state}"));
                }
                met.answer(&operation, &answer);
            }
        }
    }
    met
}

const ALWAYS: &[&str] = &[
    "Wait",
    "Receive",
    "Publish",
    "Ack",
    "Nack",
    "Extend",
    "Foreign",
    "Cancel",
    "CancelKey",
    "Redrive",
    "DeleteDeadLetters",
    "DeadLetters",
    "Get",
    "Peek",
    "List",
    "Purge",
    "Pause",
    "Resume",
    "Update",
    "Reopen",
    "a long batch",
    "retry at once",
    "retry later",
    "release at once",
    "release later",
    "dead letter",
    "accepted",
    "the same again",
    "another with its key",
    "refused: Full",
    "refused: TooLarge",
    "refused: Invalid",
    "refused: Closed",
    "nothing to receive",
    "settled",
    "too late",
    "cancelled",
    "cancelled: nothing there",
    "cancelled: it runs",
    "cancelled: it is over",
    "no room to redrive",
    "redriven",
    "some removed",
    "dead letters dropped",
    "some scheduled",
    "some ready",
    "some leased",
    "some done",
    "some cancelled",
    "some expired",
    "some dead",
    "Rule",
    "Explain",
    "explained: LeaseLimit",
    "explained: Paused",
    "explained: Leased(",
    "explained: Scheduled(",
    "a key at its limit",
];

const ONLY_EXACT: &[&str] = &["explained: Throttled", "explained: Behind", "some parked"];

#[test]
fn everything_is_met_in_the_sequences_of_one_run() {
    for exact in [false, true] {
        let Met(met) = met(exact);
        println!("{met:#?}");
        for what in ALWAYS {
            assert!(met.contains_key(*what), "{what} is never met");
        }
        for what in ONLY_EXACT {
            assert_eq!(met.contains_key(*what), exact, "{what}");
        }
    }
}
