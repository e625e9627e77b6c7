use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, Capabilities, DeadLetterFilter, Error, Management, Nack, NackAction, Page,
    PageRequest, Queue, QueueConfig, QueueName, SettleOutcome, StoredMessage,
};

use crate::mutation::{Mutation, assert_caught};

const GROUP: &str = "dead_letters";

/// The causes of failures are not kept.
struct NoCauses;

#[async_trait]
impl Mutation for NoCauses {
    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let mute = |nack: Nack| Nack {
            cause: None,
            ..nack
        };
        inner.nack(nacks.into_iter().map(mute).collect()).await
    }
}

#[test]
fn a_history_that_is_not_kept() {
    let case = "a_dead_letter_keeps_message_errors_attempts_and_times";
    assert_caught(GROUP, case, || NoCauses);
}

/// A dead letter is retried once more.
struct Undead;

#[async_trait]
impl Mutation for Undead {
    async fn nack(&self, inner: &dyn Queue, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        let revive = |nack: Nack| Nack {
            action: match nack.action {
                NackAction::DeadLetter => NackAction::Retry {
                    after: Duration::from_secs(1),
                },
                action => action,
            },
            ..nack
        };
        inner.nack(nacks.into_iter().map(revive).collect()).await
    }
}

#[test]
fn a_dead_letter_that_comes_back() {
    let case = "a_dead_letter_is_in_exactly_one_place_and_not_delivered";
    assert_caught(GROUP, case, || Undead);
}

/// There is no limit to the dead letters.
struct NoLimit;

#[async_trait]
impl Mutation for NoLimit {
    async fn create(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let config = QueueConfig {
            dead_letter_limit: QueueConfig::default().dead_letter_limit,
            dead_letter_retention: QueueConfig::default().dead_letter_retention,
            ..config.clone()
        };
        inner.create(name, &config).await
    }
}

#[test]
fn a_limit_and_a_retention_that_are_ignored() {
    assert_caught(
        GROUP,
        "over_their_limit_the_oldest_go_and_are_counted",
        || NoLimit,
    );
    assert_caught(
        GROUP,
        "they_are_kept_for_the_retention_and_no_longer",
        || NoLimit,
    );
}

/// Takes one condition out of every filter.
struct Loose(fn(&mut DeadLetterFilter));

#[async_trait]
impl Mutation for Loose {
    async fn dead_letters(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        let mut filter = filter.clone();
        (self.0)(&mut filter);
        inner.dead_letters(&filter, page).await
    }
}

#[test]
fn a_condition_that_is_ignored() {
    let by_kind = "they_are_found_by_kind_and_by_fairness_key";
    assert_caught(GROUP, by_kind, || Loose(|f| f.kind = None));
    assert_caught(GROUP, by_kind, || Loose(|f| f.fairness_key = None));
    let by_text = "they_are_found_by_the_text_of_the_last_error";
    assert_caught(GROUP, by_text, || Loose(|f| f.error_contains = None));
    assert_caught(GROUP, "they_are_found_by_age", || {
        Loose(|f| f.older_than = None)
    });
    assert_caught(GROUP, "they_are_found_by_age", || {
        Loose(|f| f.newer_than = None)
    });
    assert_caught(GROUP, "they_are_found_by_id", || Loose(|f| f.ids = None));
    let together = "everything_that_is_asked_for_must_hold";
    assert_caught(GROUP, together, || Loose(|f| f.kind = None));
}

/// Deleting does not look at the limit.
struct DeletesAll;

#[async_trait]
impl Mutation for DeletesAll {
    async fn delete_dead_letters(
        &self,
        inner: &dyn Management,
        filter: &DeadLetterFilter,
        _limit: usize,
    ) -> Result<u64, Error> {
        inner.delete_dead_letters(filter, usize::MAX).await
    }
}

#[test]
fn a_deletion_without_a_limit() {
    let case = "they_are_deleted_by_filter_oldest_first";
    assert_caught(GROUP, case, || DeletesAll);
}

/// Declares that another queue can take the dead letters, and keeps them.
struct FalseGraveyard;

#[async_trait]
impl Mutation for FalseGraveyard {
    fn capabilities(&self, can: Capabilities) -> Capabilities {
        Capabilities {
            dead_letter_queue: true,
            ..can
        }
    }
}

#[test]
fn a_dead_letter_queue_that_is_declared_and_not_there() {
    let case = "another_queue_takes_them_where_the_backend_can_and_else_is_refused";
    assert_caught(GROUP, case, || FalseGraveyard);
}
