use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Error, FairnessKey, Management, Nack, NackAction, NewMessage, PageRequest, PublishOutcome,
    Queue, Rule, SettleOutcome, State, StoredMessage, Weight,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};
use crate::order::FrontOfTheLine;
use crate::otherwise::Otherwise;

const GROUP: &str = "fairness";

#[test]
fn weights_of_messages_that_are_ignored() {
    for case in [
        "keys_share_as_their_weights_say",
        "the_latest_weight_says",
        "a_weight_outlives_its_messages",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::publishing(|messages| {
                let bare = |message: NewMessage| message.with_weight(Weight::default());
                messages.into_iter().map(bare).collect()
            })
        });
    }
}

#[test]
fn weights_of_rules_that_are_ignored() {
    assert_caught(GROUP, "the_latest_weight_says", || {
        Otherwise::ruling(|rule| (!matches!(rule, Rule::Weight(..))).then_some(rule))
    });
}

#[test]
fn a_weight_that_cannot_be_removed() {
    assert_caught(GROUP, "the_latest_weight_says", || {
        Otherwise::ruling(|rule| (!matches!(rule, Rule::Weight(_, None))).then_some(rule))
    });
}

/// A message without a weight sets that of its key back.
#[test]
fn a_weight_that_lasts_for_one_message() {
    for case in ["the_latest_weight_says", "a_weight_outlives_its_messages"] {
        assert_caught(GROUP, case, || {
            Otherwise::publishing(|messages| {
                let reset = |message: NewMessage| {
                    let weight = message.weight().unwrap_or_default();
                    message.with_weight(weight)
                };
                messages.into_iter().map(reset).collect()
            })
        });
    }
}

/// Where a rule has set a weight, no message changes it.
#[derive(Default)]
struct RulesOutrank(Mutex<HashMap<FairnessKey, Weight>>);

#[async_trait]
impl Mutation for RulesOutrank {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let ruled = |message: NewMessage| match self.0.lock().get(message.fairness_key()) {
            Some(weight) => message.with_weight(*weight),
            None => message,
        };
        let messages = messages.into_iter().map(ruled).collect();
        inner.publish(messages, patience).await
    }

    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        if let Rule::Weight(key, Some(weight)) = rule {
            self.0.lock().insert(key.clone(), *weight);
        }
        inner.set_rule(rule).await
    }
}

#[test]
fn a_rule_that_no_message_can_change() {
    assert_caught(GROUP, "the_latest_weight_says", RulesOutrank::default);
}

/// One line for all: a quiet key stands behind the backlogs of the others.
#[test]
fn one_line_for_all_keys() {
    for case in [
        "keys_share_as_their_weights_say",
        "keys_without_weights_share_alike",
        "a_quiet_key_waits_for_a_round_at_most",
        "a_key_that_comes_back_waits_for_a_round_of_weights_at_most",
        "a_key_that_was_away_has_saved_no_turns",
        "every_session_and_process_takes_part_in_the_turns",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::publishing(|messages| {
                let bare = |message: NewMessage| message.with_fairness_key(FairnessKey::DEFAULT);
                messages.into_iter().map(bare).collect()
            })
        });
    }
}

/// A key that has had no messages for a moment is a new one: what its turns have cost is forgotten.
#[derive(Default)]
struct ForgetsTurns(AtomicU64);

#[async_trait]
impl Mutation for ForgetsTurns {
    async fn publish(
        &self,
        inner: &dyn Queue,
        mut messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        if messages.len() == 1
            && let Some(message) = messages.pop()
        {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            let key = FairnessKey::new(format!("fresh-{number}"))?;
            messages.push(message.with_fairness_key(key));
        }
        inner.publish(messages, patience).await
    }
}

#[test]
fn a_key_that_comes_back_first() {
    let case = "a_key_that_comes_back_does_not_jump_the_queue";
    assert_caught(GROUP, case, ForgetsTurns::default);
}

/// Who was away has all the turns that it did not have then.
#[derive(Default)]
struct SavesTurns(Mutex<HashSet<FairnessKey>>);

#[async_trait]
impl Mutation for SavesTurns {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let is_back = messages
            .first()
            .is_some_and(|first| !self.0.lock().insert(first.fairness_key().clone()));
        let heavy = Weight::new(1_000)?;
        let hurry = |message: NewMessage| {
            if is_back {
                message.with_weight(heavy)
            } else {
                message
            }
        };
        let messages = messages.into_iter().map(hurry).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn turns_that_are_saved() {
    let case = "a_key_that_was_away_has_saved_no_turns";
    assert_caught(GROUP, case, SavesTurns::default);
}

#[test]
fn what_is_given_back_comes_before_all_keys() {
    let case = "what_is_given_back_takes_a_turn_of_its_key";
    assert_caught(GROUP, case, FrontOfTheLine::default);
}

/// What is given back stands behind everybody.
struct BackOfTheLine;

#[async_trait]
impl Mutation for BackOfTheLine {
    async fn nack(
        &self,
        inner: &dyn Queue,
        mut nacks: Vec<Nack>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &mut nacks {
            if let NackAction::Retry { after } | NackAction::Release { after } = &mut nack.action {
                *after = Duration::from_mins(1);
            }
        }
        inner.nack(nacks).await
    }
}

#[test]
fn what_is_given_back_comes_after_all_keys() {
    let case = "what_is_given_back_takes_a_turn_of_its_key";
    assert_caught(GROUP, case, || BackOfTheLine);
}

/// Peeks in the order of acceptance.
struct PeeksByAge;

#[async_trait]
impl Mutation for PeeksByAge {
    async fn peek(
        &self,
        inner: &dyn Management,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, Error> {
        let page = inner.list(State::Ready, PageRequest::first(limit)).await?;
        Ok(page.items)
    }
}

#[test]
fn a_peek_that_knows_no_turns() {
    assert_caught(GROUP, "peek_shows_whose_turn_it_is", || PeeksByAge);
}
