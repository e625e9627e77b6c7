use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Backend, CancelTarget, DeadLetterFilter, Delivery, Durability, Error, Nack, NackAction,
    PageRequest, Queue, QueueConfig, QueueName, Receipt, Rule, SettleOutcome, State,
};
use parking_lot::Mutex;

use crate::durable::assert_caught_after_restart;
use crate::mutation::Mutation;
use crate::sessions_seen::SessionsSeen;

/// What a restart does to one queue, given what had been handed out.
type Damage = fn(&dyn Backend, QueueName) -> futures_util::future::BoxFuture<'_, ()>;

/// Says that it survives a crash, and a restart does some damage to every queue.
struct Damaged(Damage);

#[async_trait]
impl Mutation for Damaged {
    fn durability(&self) -> Durability {
        Durability::Fsynced
    }

    async fn restarted(&self, inner: &dyn Backend) {
        for name in inner.list().await.expect("the queues are listed") {
            (self.0)(inner, name).await;
        }
    }
}

#[test]
fn messages_that_are_lost() {
    fn damage(inner: &dyn Backend, name: QueueName) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let management = inner.manage(&name).await.expect("it is there");
            management.purge().await.expect("it is emptied");
        })
    }
    for case in [
        "accepted_messages_survive_or_the_queue_is_gone",
        "schedules_survive",
    ] {
        assert_caught_after_restart(case, || Damaged(damage));
    }
}

#[test]
fn one_message_of_many_that_is_lost() {
    fn damage(inner: &dyn Backend, name: QueueName) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let management = inner.manage(&name).await.expect("it is there");
            let ready = management
                .list(State::Ready, PageRequest::first(1000))
                .await;
            let ready = ready.expect("they are listed").items;
            if let Some(last) = ready.last() {
                let target = CancelTarget::Id(last.message.id());
                management.cancel(target).await.expect("it is cancelled");
            }
        })
    }
    for case in [
        "accepted_messages_survive_or_the_queue_is_gone",
        "the_order_survives_or_the_queue_is_gone",
    ] {
        assert_caught_after_restart(case, || Damaged(damage));
    }
}

#[test]
fn a_pause_that_is_forgotten() {
    fn damage(inner: &dyn Backend, name: QueueName) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let management = inner.manage(&name).await.expect("it is there");
            management.resume().await.expect("it goes on");
        })
    }
    assert_caught_after_restart("a_pause_survives", || Damaged(damage));
}

#[test]
fn dead_letters_that_are_forgotten() {
    fn damage(inner: &dyn Backend, name: QueueName) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let management = inner.manage(&name).await.expect("it is there");
            let all = DeadLetterFilter::all();
            let deleted = management.delete_dead_letters(&all, usize::MAX).await;
            deleted.expect("they are deleted");
        })
    }
    assert_caught_after_restart("dead_letters_survive", || Damaged(damage));
}

#[test]
fn a_configuration_that_is_forgotten() {
    fn damage(inner: &dyn Backend, name: QueueName) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let updated = inner.update(&name, &QueueConfig::default()).await;
            updated.expect("the defaults are valid");
        })
    }
    let case = "queues_and_their_configurations_survive";
    assert_caught_after_restart(case, || Damaged(damage));
}

#[test]
fn a_queue_that_is_made_anew_and_knows_no_keys() {
    fn damage(inner: &dyn Backend, name: QueueName) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let config = inner.config(&name).await.expect("it is there");
            inner.delete(&name).await.expect("it is deleted");
            inner.create(&name, &config).await.expect("it is made");
        })
    }
    for case in ["keys_survive", "attempts_and_errors_survive"] {
        assert_caught_after_restart(case, || Damaged(damage));
    }
}

/// A restart ends every lease, as if its holder had never begun.
#[derive(Default)]
struct LeasesEnd {
    sessions: SessionsSeen,
}

#[async_trait]
impl Mutation for LeasesEnd {
    fn durability(&self) -> Durability {
        Durability::Fsynced
    }

    async fn open(
        &self,
        inner: &dyn Backend,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<Arc<dyn Queue>, Error> {
        self.sessions.open(inner, name, expected).await
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        self.sessions.give(&deliveries);
        Ok(deliveries)
    }

    async fn restarted(&self, _inner: &dyn Backend) {
        let release = |delivery: Delivery| Nack {
            receipt: delivery.receipt,
            action: NackAction::Release {
                after: Duration::ZERO,
            },
            cause: None,
        };
        let nacks = self.sessions.given().into_iter().map(release).collect();
        if let Some(session) = self.sessions.opened().first() {
            session.nack(nacks).await.expect("the memory queue answers");
        }
    }
}

#[test]
fn leases_that_end_with_the_store() {
    for case in [
        "a_lease_survives_and_ends_at_its_time",
        "a_holder_goes_on_with_its_lease",
    ] {
        assert_caught_after_restart(case, LeasesEnd::default);
    }
}

/// Receipts of before the restart settle whatever is held now.
#[derive(Default)]
struct TokensBeginAgain {
    latest: Mutex<Option<Receipt>>,
}

#[async_trait]
impl Mutation for TokensBeginAgain {
    fn durability(&self) -> Durability {
        Durability::Fsynced
    }

    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = inner.receive(max, wait).await?;
        let latest = deliveries.last().map(|delivery| delivery.receipt.clone());
        *self.latest.lock() = latest;
        Ok(deliveries)
    }

    async fn ack(
        &self,
        inner: &dyn Queue,
        receipts: &[Receipt],
    ) -> Result<Vec<SettleOutcome>, Error> {
        let latest = self.latest.lock().clone();
        let receipts: Vec<Receipt> = latest.into_iter().cycle().take(receipts.len()).collect();
        inner.ack(&receipts).await
    }
}

#[test]
fn a_token_that_is_used_again() {
    for case in [
        "a_lease_survives_and_ends_at_its_time",
        "a_receipt_of_before_settles_nothing_in_a_new_queue",
    ] {
        assert_caught_after_restart(case, TokensBeginAgain::default);
    }
}

#[test]
fn rules_that_are_lost() {
    fn damage(inner: &dyn Backend, name: QueueName) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let management = inner.manage(&name).await.expect("it is there");
            let page = || PageRequest::first(PageRequest::MAX_LIMIT);
            let keys = management.key_stats(page()).await;
            let keys = keys.expect("they are listed").items;
            let limits = keys.iter().map(|k| Rule::LeaseLimit(k.key.clone(), None));
            let weights = keys.iter().map(|k| Rule::Weight(k.key.clone(), None));
            let buckets = management.throttle_stats(page()).await;
            let buckets = buckets.expect("they are listed").items;
            let buckets = buckets.iter().map(|b| Rule::Throttle(b.key.clone(), None));
            for rule in limits.chain(weights).chain(buckets) {
                management.set_rule(&rule).await.expect("it is removed");
            }
        })
    }
    for case in [
        "limits_of_leases_survive",
        "weights_survive",
        "token_buckets_survive",
    ] {
        assert_caught_after_restart(case, || Damaged(damage));
    }
}

/// The queue reads its messages again, each with the weight that it once set.
#[test]
fn weights_of_messages_that_outrank_later_rules() {
    fn damage(inner: &dyn Backend, name: QueueName) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async move {
            let management = inner.manage(&name).await.expect("it is there");
            let page = PageRequest::first(PageRequest::MAX_LIMIT);
            let ready = management.list(State::Ready, page).await;
            for stored in ready.expect("they are listed").items {
                let key = stored.message.fairness_key().clone();
                if let Some(weight) = stored.message.weight() {
                    let rule = Rule::Weight(key, Some(weight));
                    management.set_rule(&rule).await.expect("it is set");
                }
            }
        })
    }
    assert_caught_after_restart("weights_survive", || Damaged(damage));
}
