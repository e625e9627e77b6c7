use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Error, Management, NewMessage, Page, PageRequest, PublishOutcome, Queue, Rule, ThrottleKey,
    ThrottleStats,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, assert_caught};
use crate::otherwise::Otherwise;

const GROUP: &str = "throttle_changes";

/// What is set once stays as it is.
#[derive(Default)]
pub(crate) struct FirstStays(Mutex<Vec<Rule>>);

#[async_trait]
impl Mutation for FirstStays {
    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        let is_same = |known: &Rule| match (known, rule) {
            (Rule::Throttle(one, Some(_)), Rule::Throttle(two, Some(_))) => one == two,
            (Rule::LeaseLimit(one, Some(_)), Rule::LeaseLimit(two, Some(_))) => one == two,
            _ => false,
        };
        if self.0.lock().iter().any(is_same) {
            return Ok(());
        }
        self.0.lock().push(rule.clone());
        inner.set_rule(rule).await
    }
}

#[test]
fn a_bucket_that_cannot_be_changed() {
    for case in [
        "a_faster_rate_holds_at_once",
        "a_slower_rate_holds_at_once",
        "a_bucket_keeps_its_tokens_when_it_is_changed",
    ] {
        assert_caught(GROUP, case, FirstStays::default);
    }
}

#[test]
fn a_bucket_that_cannot_be_removed() {
    for case in [
        "a_bucket_that_is_removed_lets_go",
        "a_bucket_that_is_removed_leaves_others_to_be_waited_for",
    ] {
        assert_caught(GROUP, case, || {
            Otherwise::ruling(|rule| (!matches!(rule, Rule::Throttle(_, None))).then_some(rule))
        });
    }
}

/// A bucket that is changed is another one, and full.
struct Refills;

#[async_trait]
impl Mutation for Refills {
    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        if let Rule::Throttle(key, Some(_)) = rule {
            inner.set_rule(&Rule::Throttle(key.clone(), None)).await?;
        }
        inner.set_rule(rule).await
    }
}

#[test]
fn a_change_that_fills_the_bucket() {
    let case = "a_bucket_keeps_its_tokens_when_it_is_changed";
    assert_caught(GROUP, case, || Refills);
}

/// With one bucket all go.
#[derive(Default)]
struct RemovesAll(Mutex<HashSet<ThrottleKey>>);

#[async_trait]
impl Mutation for RemovesAll {
    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        match rule {
            Rule::Throttle(key, Some(_)) => {
                self.0.lock().insert(key.clone());
            }
            Rule::Throttle(_, None) => {
                let known = std::mem::take(&mut *self.0.lock());
                for key in known {
                    inner.set_rule(&Rule::Throttle(key, None)).await?;
                }
            }
            _ => {}
        }
        inner.set_rule(rule).await
    }
}

#[test]
fn a_removal_that_lets_go_of_everyone() {
    let case = "a_bucket_that_is_removed_leaves_others_to_be_waited_for";
    assert_caught(GROUP, case, RemovesAll::default);
}

/// Holds only what is published after the bucket was set.
#[derive(Default)]
struct LaterOnly(AtomicBool);

#[async_trait]
impl Mutation for LaterOnly {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let is_set = self.0.load(Ordering::Relaxed);
        let free = |message: NewMessage| {
            if is_set {
                return message;
            }
            NewMessage::new(message.kind().clone(), message.payload().clone())
        };
        let messages = messages.into_iter().map(free).collect();
        inner.publish(messages, patience).await
    }

    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        let is_set = matches!(rule, Rule::Throttle(_, Some(_)));
        self.0.fetch_or(is_set, Ordering::Relaxed);
        inner.set_rule(rule).await
    }
}

#[test]
fn a_bucket_for_later_messages_only() {
    let case = "a_bucket_holds_those_that_wait_already";
    assert_caught(GROUP, case, LaterOnly::default);
}

/// Tells something else of each page.
struct Tells(fn(&mut Vec<ThrottleStats>));

#[async_trait]
impl Mutation for Tells {
    async fn throttle_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<ThrottleStats>, Error> {
        let mut page = inner.throttle_stats(page).await?;
        (self.0)(&mut page.items);
        Ok(page)
    }
}

#[test]
fn buckets_that_are_told_wrongly() {
    let case = "the_tokens_and_the_parked_of_each_bucket_are_told";
    assert_caught(GROUP, case, || {
        Tells(|all| all.iter_mut().for_each(|one| one.parked = 0))
    });
    assert_caught(GROUP, case, || {
        Tells(|all| all.iter_mut().for_each(|one| one.tokens += 1))
    });
    assert_caught(GROUP, case, || {
        Tells(|all| all.retain(|one| one.parked > 0))
    });
}

#[test]
fn buckets_in_another_order() {
    let case = "buckets_are_listed_in_the_order_of_their_text_page_by_page";
    assert_caught(GROUP, case, || Tells(|all| all.reverse()));
}

/// Tells what there was at the last change.
#[derive(Default)]
struct Stale(Mutex<Option<Page<ThrottleStats>>>);

#[async_trait]
impl Mutation for Stale {
    async fn throttle_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<ThrottleStats>, Error> {
        let now = inner.throttle_stats(page).await?;
        Ok(self.0.lock().get_or_insert(now).clone())
    }
}

#[test]
fn tokens_that_are_out_of_date() {
    assert_caught(GROUP, "tokens_that_come_are_told", Stale::default);
}
