//! The model bites too: random operations find each of these, and a few of them are left to show it.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_conformance::model::{ModelFailure, ModelSettings, try_run};
use forebay_queue_conformance::{InProcess, Timing};
use forebay_queue_core::{
    Backend, CancelOutcome, CancelTarget, Capabilities, DeadLetterFilter, Delivery, Error,
    Explanation, FairnessKey, KeyStats, Management, MessageId, Nack, NackAction, NewMessage, Page,
    PageRequest, PublishOutcome, Queue, QueueConfig, QueueName, Reason, Receipt, Redriven, Rule,
    SettleOutcome, State, StoredMessage, Throttle, ThrottleStats,
};
use parking_lot::Mutex;

use crate::mutation::{Mutation, broken_memory};
use crate::otherwise::Otherwise;

/// The operations that may be left of a failure, and how the queue was made.
const FEW: usize = 8;

const SETTINGS: ModelSettings = ModelSettings {
    cases: Some(256),
    steps: 50,
    exact: false,
    seed: Some(1),
    regressions: None,
};

/// Does nothing otherwise.
struct Faithful;

impl Mutation for Faithful {}

fn play<M: Mutation>(settings: ModelSettings, mutation: fn() -> M) -> Result<(), ModelFailure> {
    try_run(settings, || {
        InProcess::new(Timing::PAUSED, move || broken_memory(mutation()))
    })
}

fn assert_found<M: Mutation>(mutation: fn() -> M) {
    let failure = play(SETTINGS, mutation).expect_err("the model does not find the mutation");
    println!("{failure}");
    assert!(failure.operations.len() <= FEW, "{failure}");
}

#[test]
fn what_is_not_broken_passes_also_without_the_moments() {
    let settings = ModelSettings {
        seed: None,
        ..SETTINGS
    };
    if let Err(failure) = play(settings, || Faithful) {
        panic!("{failure}");
    }
}

/// A release counts as a failure.
struct ReleaseSpends;

#[async_trait]
impl Mutation for ReleaseSpends {
    async fn nack(
        &self,
        inner: &dyn Queue,
        mut nacks: Vec<Nack>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &mut nacks {
            if let NackAction::Release { after } = nack.action {
                nack.action = NackAction::Retry { after };
            }
        }
        inner.nack(nacks).await
    }
}

#[test]
fn a_release_that_counts() {
    assert_found(|| ReleaseSpends);
}

/// Every ack is Done.
struct AckAlwaysDone;

#[async_trait]
impl Mutation for AckAlwaysDone {
    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let outcomes = inner.ack(receipts).await?;
        Ok(vec![SettleOutcome::Done; outcomes.len()])
    }
}

#[test]
fn an_ack_that_never_comes_late() {
    assert_found(|| AckAlwaysDone);
}

/// Fencing is lost: an old receipt settles the delivery that followed it.
#[derive(Default)]
struct NoFencing {
    messages: Mutex<HashMap<Receipt, MessageId>>,
    latest: Mutex<HashMap<MessageId, Receipt>>,
}

#[async_trait]
impl Mutation for NoFencing {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        for delivery in &deliveries {
            let (id, receipt) = (delivery.message.id(), delivery.receipt.clone());
            self.messages.lock().insert(receipt.clone(), id);
            self.latest.lock().insert(id, receipt);
        }
        Ok(deliveries)
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let latest = |receipt: &Receipt| {
            let id = self.messages.lock().get(receipt).copied();
            let latest = id.and_then(|id| self.latest.lock().get(&id).cloned());
            latest.unwrap_or_else(|| receipt.clone())
        };
        let receipts: Vec<Receipt> = receipts.iter().map(latest).collect();
        inner.ack(&receipts).await
    }
}

#[test]
fn a_receipt_that_settles_the_next_delivery() {
    assert_found(NoFencing::default);
}

/// An extension answers Done and does nothing.
struct IdleExtend;

#[async_trait]
impl Mutation for IdleExtend {
    async fn extend(
        &self,
        _inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        Ok(vec![SettleOutcome::Done; receipts.len()])
    }
}

#[test]
fn an_extension_that_does_nothing() {
    assert_found(|| IdleExtend);
}

/// A batch is taken one by one, as far as there is room.
struct BatchInParts;

#[async_trait]
impl Mutation for BatchInParts {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let mut outcomes = Vec::new();
        for message in messages {
            outcomes.extend(inner.publish(vec![message], patience).await?);
        }
        Ok(outcomes)
    }
}

#[test]
fn a_batch_that_is_taken_in_part() {
    assert_found(|| BatchInParts);
}

/// Duplicates are never told apart by their fingerprint.
struct AnyFingerprint;

#[async_trait]
impl Mutation for AnyFingerprint {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let mut outcomes = inner.publish(messages, patience).await?;
        for outcome in &mut outcomes {
            if let PublishOutcome::Duplicate {
                same_fingerprint, ..
            } = outcome
            {
                *same_fingerprint = true;
            }
        }
        Ok(outcomes)
    }
}

#[test]
fn a_fingerprint_that_is_not_compared() {
    assert_found(|| AnyFingerprint);
}

/// What is retried is ready at once.
struct HastyRetry;

#[async_trait]
impl Mutation for HastyRetry {
    async fn nack(
        &self,
        inner: &dyn Queue,
        mut nacks: Vec<Nack>,
    ) -> Result<Vec<SettleOutcome>, Error> {
        for nack in &mut nacks {
            if let NackAction::Retry { after } = &mut nack.action {
                *after = Duration::ZERO;
            }
        }
        inner.nack(nacks).await
    }
}

#[test]
fn a_retry_that_does_not_wait() {
    assert_found(|| HastyRetry);
}

/// The last comes first.
struct Backwards;

#[async_trait]
impl Mutation for Backwards {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        deliveries.reverse();
        Ok(deliveries)
    }
}

#[test]
fn an_order_that_is_turned_round() {
    assert_found(|| Backwards);
}

/// The last comes first, as it may where no order is declared.
struct AnyOrder;

#[async_trait]
impl Mutation for AnyOrder {
    fn capabilities(&self, can: Capabilities) -> Capabilities {
        Capabilities {
            ordering: false,
            ..can
        }
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        Backwards.receive(inner, max, wait).await
    }
}

#[test]
fn an_order_that_is_not_declared_is_not_demanded() {
    if let Err(failure) = play(SETTINGS, || AnyOrder) {
        panic!("{failure}");
    }
}

/// A redrive takes whatever is there.
struct RedriveAll;

#[async_trait]
impl Mutation for RedriveAll {
    async fn redrive(
        &self,
        inner: &dyn Management,
        _filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        inner.redrive(&DeadLetterFilter::all(), limit).await
    }
}

#[test]
fn a_redrive_without_a_filter() {
    assert_found(|| RedriveAll);
}

/// Each page after the first leaves one out.
struct Gaps;

#[async_trait]
impl Mutation for Gaps {
    async fn list(
        &self,
        inner: &dyn Management,
        state: State,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        let first = page.after.is_none();
        let mut page = inner.list(state, page).await?;
        if !first && !page.items.is_empty() {
            page.items.remove(0);
        }
        Ok(page)
    }
}

#[test]
fn a_page_with_a_gap() {
    assert_found(|| Gaps);
}

/// A message that runs is called unknown by a cancel.
struct BlindCancel;

#[async_trait]
impl Mutation for BlindCancel {
    async fn cancel(
        &self,
        inner: &dyn Management,
        target: CancelTarget,
    ) -> Result<CancelOutcome, Error> {
        Ok(match inner.cancel(target).await? {
            CancelOutcome::AlreadyRunning => CancelOutcome::NotFound,
            outcome => outcome,
        })
    }
}

#[test]
fn a_cancel_that_does_not_see_what_runs() {
    assert_found(|| BlindCancel);
}

/// Another lease is not taken over.
struct SameLease;

#[async_trait]
impl Mutation for SameLease {
    async fn update(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        config: &QueueConfig,
    ) -> Result<(), Error> {
        let lease = inner.config(name).await?.lease;
        let config = QueueConfig {
            lease,
            ..config.clone()
        };
        inner.update(name, &config).await
    }
}

#[test]
fn a_lease_that_cannot_be_changed() {
    assert_found(|| SameLease);
}

/// Hand-outs go on.
struct NoPause;

#[async_trait]
impl Mutation for NoPause {
    async fn pause(&self, _inner: &dyn Management) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_pause_that_does_nothing() {
    assert_found(|| NoPause);
}

/// Tells the limits of leases, and keeps to none.
#[derive(Default)]
struct IdleLimits(Mutex<HashMap<FairnessKey, NonZeroU32>>);

#[async_trait]
impl Mutation for IdleLimits {
    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        let Rule::LeaseLimit(key, limit) = rule else {
            return inner.set_rule(rule).await;
        };
        match limit {
            Some(limit) => self.0.lock().insert(key.clone(), *limit),
            None => self.0.lock().remove(key),
        };
        Ok(())
    }

    async fn key_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<KeyStats>, Error> {
        let mut page = inner.key_stats(page).await?;
        for key in &mut page.items {
            key.lease_limit = self.0.lock().get(&key.key).copied();
        }
        Ok(page)
    }
}

#[test]
fn a_limit_that_is_told_and_not_kept() {
    assert_found(IdleLimits::default);
}

#[test]
fn a_weight_that_is_not_set() {
    assert_found(|| Otherwise::ruling(|rule| (!matches!(rule, Rule::Weight(..))).then_some(rule)));
}

/// Buckets fill twice as fast as is told.
struct Hasty;

#[async_trait]
impl Mutation for Hasty {
    async fn set_rule(&self, inner: &dyn Management, rule: &Rule) -> Result<(), Error> {
        let Rule::Throttle(key, Some(throttle)) = rule else {
            return inner.set_rule(rule).await;
        };
        let faster = Throttle::new(throttle.tokens(), throttle.per() / 2)?;
        let faster = faster.with_burst(throttle.burst())?;
        let rule = Rule::Throttle(key.clone(), Some(faster));
        inner.set_rule(&rule).await
    }

    async fn throttle_stats(
        &self,
        inner: &dyn Management,
        page: PageRequest,
    ) -> Result<Page<ThrottleStats>, Error> {
        let mut page = inner.throttle_stats(page).await?;
        for bucket in &mut page.items {
            let told = Throttle::new(bucket.throttle.tokens(), bucket.throttle.per() * 2)?;
            bucket.throttle = told.with_burst(bucket.throttle.burst())?;
        }
        Ok(page)
    }
}

#[test]
fn a_bucket_that_fills_too_fast() {
    let settings = ModelSettings {
        exact: true,
        ..SETTINGS
    };
    let failure = play(settings, || Hasty).expect_err("the model does not find the mutation");
    assert!(failure.operations.len() <= FEW, "{failure}");
}

/// A key at its limit is no reason.
struct NoLimitExplained;

#[async_trait]
impl Mutation for NoLimitExplained {
    async fn explain(
        &self,
        inner: &dyn Management,
        id: MessageId,
    ) -> Result<Option<Explanation>, Error> {
        let mut explanation = inner.explain(id).await?;
        if let Some(explanation) = &mut explanation {
            let is_other = |reason: &Reason| !matches!(reason, Reason::LeaseLimit { .. });
            explanation.reasons.retain(is_other);
        }
        Ok(explanation)
    }
}

#[test]
fn a_reason_that_is_not_told() {
    assert_found(|| NoLimitExplained);
}

#[test]
fn what_failed_once_is_run_first_from_then_on() {
    const FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/model-regressions.txt");
    match fs::remove_file(FILE) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
    let nothing_new = ModelSettings {
        cases: Some(0),
        regressions: Some(FILE),
        ..SETTINGS
    };
    assert!(play(nothing_new, || IdleExtend).is_ok());

    let searched = ModelSettings {
        cases: Some(256),
        ..nothing_new
    };
    let found = play(searched, || IdleExtend).unwrap_err();
    let kept = fs::read_to_string(FILE).unwrap();
    assert_eq!(kept.lines().filter(|l| l.starts_with("cc ")).count(), 1);

    let again = play(nothing_new, || IdleExtend).unwrap_err();
    assert_eq!(again.operations, found.operations);
    assert!(play(nothing_new, || Faithful).is_ok());
}
