use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    CancelOutcome, CancelTarget, Delivery, Error, FairnessKey, Management, MessageId, NewMessage,
    Queue, Receipt, Rule, StoredMessage, Throttle,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};
use crate::order::FrontOfTheLine;
use crate::otherwise::Otherwise;

const GROUP: &str = "throttling";

/// Sets another bucket; one that would be out of bounds is left as it was.
fn changes(rule: Rule, change: fn(Throttle) -> Result<Throttle, Error>) -> Rule {
    match rule {
        Rule::Throttle(key, Some(throttle)) => {
            Rule::Throttle(key, Some(change(throttle).unwrap_or(throttle)))
        }
        other => other,
    }
}

#[test]
fn buckets_that_hold_nobody() {
    for case in [
        "a_burst_passes_at_once_and_then_the_rate_holds",
        "a_bucket_begins_full_and_without_a_burst_holds_a_period",
        "idle_time_saves_no_more_than_the_burst",
        "a_repeated_delivery_costs_a_token_too",
        "a_delivery_after_a_lease_ran_out_costs_a_token_too",
        "what_is_parked_keeps_nobody_waiting",
        "every_bucket_of_a_message_must_have_a_token",
        "what_becomes_due_together_keeps_the_rate",
        "every_session_and_process_draws_from_the_same_bucket",
        "a_parked_message_takes_room",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::ruling(|rule| (!matches!(rule, Rule::Throttle(..))).then_some(rule))
        });
    }
}

#[test]
fn a_refill_that_is_too_fast() {
    for case in [
        "a_burst_passes_at_once_and_then_the_rate_holds",
        "a_repeated_delivery_costs_a_token_too",
        "what_becomes_due_together_keeps_the_rate",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::ruling(|rule| {
                Some(changes(rule, |throttle| {
                    let faster = Throttle::new(throttle.tokens() * 2, throttle.per())?;
                    faster.with_burst(throttle.burst())
                }))
            })
        });
    }
}

#[test]
fn a_refill_that_is_too_slow() {
    let case = "a_burst_passes_at_once_and_then_the_rate_holds";
    assert_caught(GROUP, case, || {
        Otherwise::ruling(|rule| {
            Some(changes(rule, |throttle| {
                let slower = Throttle::new(throttle.tokens(), throttle.per() * 2)?;
                slower.with_burst(throttle.burst())
            }))
        })
    });
}

#[test]
fn a_burst_that_is_not_applied() {
    for case in [
        "a_burst_passes_at_once_and_then_the_rate_holds",
        "idle_time_saves_no_more_than_the_burst",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::ruling(|rule| {
                Some(changes(rule, |throttle| {
                    Throttle::new(throttle.tokens(), throttle.per())
                }))
            })
        });
    }
}

#[test]
fn a_token_too_many() {
    for case in [
        "a_bucket_begins_full_and_without_a_burst_holds_a_period",
        "a_delivery_after_a_lease_ran_out_costs_a_token_too",
        "what_is_parked_keeps_nobody_waiting",
        "a_throttle_key_that_stands_twice_costs_one_token",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::ruling(|rule| Some(changes(rule, |t| t.with_burst(t.burst() + 1))))
        });
    }
}

/// As if what stays took tokens, or one message several of the same bucket.
#[test]
fn a_token_too_few() {
    for case in [
        "a_bucket_begins_full_and_without_a_burst_holds_a_period",
        "every_bucket_of_a_message_must_have_a_token",
        "a_throttle_key_that_stands_twice_costs_one_token",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::ruling(|rule| Some(changes(rule, |t| t.with_burst(t.burst() - 1))))
        });
    }
}

#[test]
fn a_repeated_delivery_that_costs_nothing() {
    let case = "a_repeated_delivery_costs_a_token_too";
    assert_caught(GROUP, case, FrontOfTheLine::default);
}

/// Whoever stands behind a parked message waits with it.
#[test]
fn a_parked_message_that_blocks_its_key() {
    for case in [
        "what_is_parked_keeps_nobody_waiting",
        "who_passes_keeps_the_order",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::publishing(|messages| {
                let keys = messages.first().map(|first| first.throttle_keys().to_vec());
                let keys = keys.unwrap_or_default();
                let wait_too = |message: NewMessage| {
                    let keys = if message.throttle_keys().is_empty() {
                        &keys[..]
                    } else {
                        &[]
                    };
                    keys.iter()
                        .cloned()
                        .fold(message, NewMessage::with_throttle_key)
                };
                messages.into_iter().map(wait_too).collect()
            })
        });
    }
}

/// The same message with some of its throttle keys.
fn with_keys(message: &NewMessage, count: usize) -> NewMessage {
    let bare = NewMessage::new(message.kind().clone(), message.payload().clone())
        .with_fairness_key(message.fairness_key().clone());
    let keys = message.throttle_keys().iter().take(count).cloned();
    keys.fold(bare, NewMessage::with_throttle_key)
}

#[test]
fn only_one_bucket_of_a_message_that_is_asked() {
    let case = "every_bucket_of_a_message_must_have_a_token";
    assert_caught(GROUP, case, || {
        Otherwise::publishing(|messages| messages.iter().map(|m| with_keys(m, 1)).collect())
    });
}

#[test]
fn an_unknown_key_that_holds_its_messages() {
    assert_caught(GROUP, "an_unknown_throttle_key_is_unlimited", || {
        Otherwise::publishing(|messages| {
            let hold = |message: NewMessage| message.with_delay(Duration::from_mins(1));
            messages.into_iter().map(hold).collect()
        })
    });
}

#[test]
fn a_delayed_message_that_costs_nothing() {
    let case = "what_becomes_due_together_keeps_the_rate";
    assert_caught(GROUP, case, || {
        Otherwise::publishing(|messages| {
            let free = |message: &NewMessage| match message.deliver() {
                Some(forebay_queue_core::Moment::After(delay)) => {
                    with_keys(message, 0).with_delay(delay)
                }
                _ => message.clone(),
            };
            messages.iter().map(free).collect()
        })
    });
}

#[test]
fn a_bucket_for_each_session() {
    let case = "every_session_and_process_draws_from_the_same_bucket";
    assert_caught(GROUP, case, || {
        Otherwise::ruling(|rule| {
            Some(changes(rule, |throttle| {
                let three = Throttle::new(throttle.tokens() * 3, throttle.per())?;
                three.with_burst(throttle.burst() * 3)
            }))
        })
    });
}

#[test]
fn tokens_for_the_longest_backlog() {
    assert_caught(GROUP, "tokens_go_round_the_fairness_keys", || {
        Otherwise::publishing(|messages| {
            let bare = |message: NewMessage| message.with_fairness_key(FairnessKey::DEFAULT);
            messages.into_iter().map(bare).collect()
        })
    });
}

#[test]
fn a_parked_message_that_does_not_expire() {
    assert_caught(GROUP, "a_parked_message_expires_and_is_purged", || {
        Otherwise::publishing(|messages| {
            let live = |message: NewMessage| message.with_time_to_live(Duration::from_hours(24));
            messages.into_iter().map(live).collect()
        })
    });
}

/// A cancelled message goes when its turn comes: by then it has taken a token.
#[derive(Default)]
struct CancelledLate(Mutex<HashSet<MessageId>>);

#[async_trait]
impl Mutation for CancelledLate {
    async fn cancel(
        &self,
        _inner: &dyn Management,
        target: CancelTarget,
    ) -> Result<CancelOutcome, Error> {
        if let CancelTarget::Id(id) = target {
            self.0.lock().insert(id);
        }
        Ok(CancelOutcome::Cancelled)
    }

    async fn peek(
        &self,
        inner: &dyn Management,
        _limit: usize,
    ) -> Result<Vec<StoredMessage>, Error> {
        let mut seen = inner.peek(9).await?;
        seen.retain(|stored| !self.0.lock().contains(&stored.message.id()));
        Ok(seen)
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        let is_gone = |delivery: &Delivery| self.0.lock().contains(&delivery.message.id());
        let (gone, left): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(is_gone);
        let receipts: Vec<Receipt> = gone.into_iter().map(|d| d.receipt).collect();
        inner.ack(&receipts).await?;
        Ok(left)
    }
}

#[test]
fn a_cancelled_message_that_costs_a_token() {
    let case = "what_leaves_unreceived_costs_no_token";
    assert_caught(GROUP, case, CancelledLate::default);
}
