use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_conformance::{InProcess, Timing, try_run};
use forebay_queue_core::{
    Backend, Delivery, Error, FairnessKey, Management, Nack, NewMessage, Queue, Receipt, Rule,
    SettleOutcome,
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::mutation::{Mutation, assert_caught, broken_memory};
use crate::otherwise::Otherwise;
use crate::throttle_changes::FirstStays;

const GROUP: &str = "lease_limits";

#[test]
fn a_limit_that_is_not_applied() {
    for case in [
        "a_key_has_no_more_leases_than_its_limit",
        "a_key_at_its_limit_keeps_nobody_waiting",
        "an_ack_frees_a_lease",
        "each_nack_frees_a_lease",
        "a_repeated_delivery_has_a_lease_too",
        "a_lower_limit_takes_no_lease_away",
        "every_session_and_process_has_the_same_limit",
        "a_key_at_its_limit_takes_no_tokens",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::ruling(|rule| (!matches!(rule, Rule::LeaseLimit(..))).then_some(rule))
        });
    }
}

#[test]
fn a_limit_that_holds_for_all_keys() {
    for case in [
        "a_key_at_its_limit_keeps_nobody_waiting",
        "each_key_has_a_limit_of_its_own",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::publishing(|messages| {
                let key = FairnessKey::new("a").expect("it is a key");
                let limited = |message: NewMessage| message.with_fairness_key(key.clone());
                messages.into_iter().map(limited).collect()
            })
        });
    }
}

#[test]
fn a_limit_that_cannot_be_changed() {
    let case = "a_limit_is_raised_and_lifted_while_the_queue_runs";
    assert_caught(GROUP, case, FirstStays::default);
}

#[test]
fn a_limit_that_cannot_be_removed() {
    let case = "a_limit_is_raised_and_lifted_while_the_queue_runs";
    assert_caught(GROUP, case, || {
        Otherwise::ruling(|rule| (!matches!(rule, Rule::LeaseLimit(_, None))).then_some(rule))
    });
}

/// What a counter does otherwise.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// Leases that ran out count on.
    CountsTheDead,
    /// A nack frees nothing.
    NackFreesNothing,
    /// Any answer frees a place, a late one too.
    LateAnswerFrees,
    /// A message counts once, however often it is delivered.
    FirstDeliveriesOnly,
    /// An extension is not noticed.
    ExtensionUnnoticed,
    /// Each session has a limit of its own.
    BySession,
    /// Another limit begins to count anew.
    ChangeForgets,
}

/// Counts the leases of a queue with one key, instead of deriving their number from those that are alive.
#[derive(Default)]
struct Counter {
    fault: Fault,
    limit: Mutex<Option<usize>>,
    held: Mutex<Vec<Held>>,
}

struct Held {
    receipt: Receipt,
    until: Instant,
    length: Duration,
    session: usize,
}

impl Counter {
    fn of(fault: Fault) -> Self {
        Self {
            fault,
            ..Self::default()
        }
    }

    /// How many more may be handed out.
    fn room(&self, session: usize) -> usize {
        let mut held = self.held.lock();
        if self.fault != Fault::CountsTheDead {
            held.retain(|held| held.until > Instant::now());
        }
        let counts = |held: &&Held| self.fault != Fault::BySession || held.session == session;
        let count = held.iter().filter(counts).count();
        self.limit
            .lock()
            .unwrap_or(usize::MAX)
            .saturating_sub(count)
    }

    fn free(&self, receipt: &Receipt, outcome: SettleOutcome) {
        let mut held = self.held.lock();
        if outcome == SettleOutcome::Done {
            held.retain(|held| held.receipt != *receipt);
        } else if self.fault == Fault::LateAnswerFrees {
            held.pop();
        }
    }
}

fn address(session: &dyn Queue) -> usize {
    std::ptr::from_ref(session).addr()
}

#[async_trait]
impl Mutation for Counter {
    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        let Rule::LeaseLimit(_, limit) = rule else {
            return inner.set_rule(rule).await;
        };
        *self.limit.lock() = limit.map(|limit| limit.get() as usize);
        if self.fault == Fault::ChangeForgets {
            self.held.lock().clear();
        }
        Ok(())
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        const LOOK: Duration = Duration::from_millis(20);
        let (session, end) = (address(inner), Instant::now() + wait);
        loop {
            let room = self.room(session).min(max);
            let deliveries = match room {
                0 => Vec::new(),
                _ => inner.receive(room, Duration::ZERO).await?,
            };
            if deliveries.is_empty() && Instant::now() < end {
                // tidy: sleep — the mutant polls; time is paused
                sleep(LOOK.min(end - Instant::now())).await;
                continue;
            }
            let first_only = self.fault == Fault::FirstDeliveriesOnly;
            let counted = deliveries.iter().filter(|d| d.attempt == 1 || !first_only);
            let held = counted.map(|delivery| Held {
                receipt: delivery.receipt.clone(),
                until: Instant::now() + delivery.lease,
                length: delivery.lease,
                session,
            });
            self.held.lock().extend(held);
            return Ok(deliveries);
        }
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let outcomes = inner.ack(receipts).await?;
        for (receipt, outcome) in receipts.iter().zip(&outcomes) {
            self.free(receipt, *outcome);
        }
        Ok(outcomes)
    }

    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let receipts: Vec<Receipt> = nacks.iter().map(|nack| nack.receipt.clone()).collect();
        let outcomes = inner.nack(nacks).await?;
        if self.fault != Fault::NackFreesNothing {
            for (receipt, outcome) in receipts.iter().zip(&outcomes) {
                self.free(receipt, *outcome);
            }
        }
        Ok(outcomes)
    }

    async fn extend(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        if self.fault != Fault::ExtensionUnnoticed {
            for held in self.held.lock().iter_mut() {
                if receipts.contains(&held.receipt) {
                    held.until = Instant::now() + held.length;
                }
            }
        }
        inner.extend(receipts).await
    }
}

/// Asserts that a case passes with a counter that counts rightly, and fails with this one.
fn assert_counter_caught(case: &str, faulty: fn() -> Counter) {
    let honest = || {
        InProcess::new(Timing::PAUSED, || {
            broken_memory(Counter::default()) as Arc<dyn Backend>
        })
    };
    assert!(
        try_run(GROUP, case, honest).is_ok(),
        "{case} fails where the counter is right"
    );
    assert_caught(GROUP, case, faulty);
}

#[test]
fn dead_leases_that_count() {
    let case = "a_lease_that_ran_out_frees_its_place";
    assert_counter_caught(case, || Counter::of(Fault::CountsTheDead));
}

#[test]
fn a_late_answer_that_frees_a_place() {
    let case = "a_lease_that_ran_out_frees_its_place";
    assert_counter_caught(case, || Counter::of(Fault::LateAnswerFrees));
}

#[test]
fn a_nack_that_frees_nothing() {
    for case in [
        "each_nack_frees_a_lease",
        "a_repeated_delivery_has_a_lease_too",
    ] {
        assert_counter_caught(case, || Counter::of(Fault::NackFreesNothing));
    }
}

#[test]
fn a_repeated_delivery_that_does_not_count() {
    let case = "a_repeated_delivery_has_a_lease_too";
    assert_counter_caught(case, || Counter::of(Fault::FirstDeliveriesOnly));
}

#[test]
fn an_extension_that_gives_the_place_away() {
    let case = "an_extended_lease_keeps_its_place";
    assert_counter_caught(case, || Counter::of(Fault::ExtensionUnnoticed));
}

#[test]
fn a_limit_for_each_session() {
    let case = "every_session_and_process_has_the_same_limit";
    assert_counter_caught(case, || Counter::of(Fault::BySession));
}

#[test]
fn a_change_that_forgets_what_is_leased() {
    let case = "a_lower_limit_takes_no_lease_away";
    assert_counter_caught(case, || Counter::of(Fault::ChangeForgets));
}
