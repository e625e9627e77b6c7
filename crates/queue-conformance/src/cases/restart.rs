//! The store dies without a word and comes back over what it had kept.
//!
//! Where the probe finds no more than memory, the queue is gone, and each case asks for that instead: a store that
//! comes back with a part of it would be worse than one that comes back with nothing.

use std::time::Duration;

use forebay_queue_core::{
    CancelTarget, DeadLetterFilter, Durability, Error, Headers, QueueName, SettleOutcome, State,
};

use crate::scheduling::slow;
use crate::{Case, Subject, message};

/// Restarts the store and opens the queue again; nothing where it is gone, as it has to be.
async fn restarted(case: Case, name: &QueueName) -> (Case, Option<Subject>) {
    let found = case.backend().probe().await.expect("the store is probed");
    let survives = found.meet(Durability::Buffered);
    let case = case.restart().await;
    if survives {
        let subject = case.open(name).await;
        return (case, Some(subject));
    }
    let opened = case.backend().open(name, None).await.map(drop);
    assert!(
        matches!(opened, Err(Error::QueueNotFound { .. })),
        "what lives in memory is gone with it: {opened:?}"
    );
    let demanded = found.enforce(case.backend().name(), Durability::Buffered);
    assert!(
        matches!(demanded, Err(Error::DurabilityNotMet { .. })),
        "who demands more than memory is refused at the start"
    );
    (case, None)
}

pub(crate) async fn accepted_messages_survive_or_the_queue_is_gone(case: Case) {
    let subject = case.queue().await;
    let mut headers = Headers::new();
    let inserted = headers.insert("traceparent", "00-1-2-01");
    inserted.expect("the header is valid");
    let first = message::keyed("k")
        .with_headers(headers.clone())
        .with_fairness_key(message::fairness_key("tenant"));
    let id = subject.publish(first).await;
    subject.publish_all(message::many(20)).await;
    let before = subject.get(id).await.expect("it is there").message;
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    let after = subject.get(id).await.expect("an accepted message is kept");
    assert_eq!(after.message, before, "as it was");
    assert_eq!(subject.stats().await.ready, 21);
    let mut numbers = message::numbers(&subject.take_many(21).await);
    numbers.sort_unstable();
    let mut expected: Vec<usize> = (0..20).collect();
    expected.insert(0, 0);
    assert_eq!(numbers, expected, "each once");
}

pub(crate) async fn the_order_survives_or_the_queue_is_gone(case: Case) {
    let ordered = case.capabilities().ordering;
    let subject = case.queue().await;
    subject.publish_all(message::many(20)).await;
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    subject.publish(message::numbered(20)).await;
    let mut numbers = message::numbers(&subject.take_many(21).await);
    if !ordered {
        numbers.sort_unstable();
    }
    assert_eq!(numbers, (0..=20).collect::<Vec<_>>());
}

pub(crate) async fn what_is_over_stays_over(case: Case) {
    let subject = case.queue().await;
    let acked = subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    subject.ack(&held).await;
    let cancelled = subject.publish(message::numbered(1)).await;
    subject.cancel(CancelTarget::Id(cancelled)).await;
    let purged = subject.publish(message::numbered(2)).await;
    subject.purge().await;
    let lease = case.timing().lease + case.timing().tolerance();
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    for id in [acked, cancelled, purged] {
        assert_eq!(subject.state_of(id).await, None, "it does not come back");
    }
    assert_eq!(subject.stats().await.live(), 0);
    subject.assert_nothing_for(lease).await;
}

pub(crate) async fn a_lease_survives_and_ends_at_its_time(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    let again = subject.take().await;
    assert!(
        again.delivered_at >= held.delivered_at.after(held.lease),
        "a restart does not end a lease"
    );
    assert_eq!(
        again.attempt, 2,
        "the attempt was recorded before the hand-out"
    );
    assert_eq!(
        subject.ack_outcome(&held).await,
        SettleOutcome::LeaseLost,
        "a receipt of before the restart touches nobody"
    );
    assert_eq!(
        subject.extend_outcome(&held).await,
        SettleOutcome::LeaseLost
    );
    assert_ne!(again.receipt, held.receipt);
    subject.ack(&again).await;
}

pub(crate) async fn a_holder_goes_on_with_its_lease(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish_all(message::many(2)).await;
    let held = subject.take_many(2).await;
    let moment = case.timing().moment();
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    assert_eq!(subject.stats().await.leased, 2);
    subject.assert_nothing_for(moment).await;
    assert_eq!(subject.extend_outcome(&held[0]).await, SettleOutcome::Done);
    subject.ack(&held[0]).await;
    subject.retry(&held[1], Duration::ZERO, "no").await;
    assert_eq!(subject.take().await.attempt, 2);
}

pub(crate) async fn a_receipt_of_before_settles_nothing_in_a_new_queue(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    subject.publish(message::numbered(0)).await;
    let old = subject.take().await;
    let name = subject.name.clone();
    let (case, kept) = restarted(case, &name).await;
    if kept.is_some() {
        let deleted = case.backend().delete(&name).await;
        deleted.expect("a queue that exists is deleted");
    }
    let made = case.backend().create(&name, &case.holding()).await;
    made.expect("its name is free");
    let next = case.open(&name).await;
    next.publish(message::numbered(1)).await;
    let held = next.take().await;
    assert_eq!(next.ack_outcome(&old).await, SettleOutcome::LeaseLost);
    assert_eq!(next.extend_outcome(&old).await, SettleOutcome::LeaseLost);
    next.ack(&held).await;
}

pub(crate) async fn attempts_and_errors_survive(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(0)).await;
    for cause in ["first", "second"] {
        let held = subject.take().await;
        subject.retry(&held, Duration::ZERO, cause).await;
    }
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    let held = subject.take().await;
    assert_eq!(held.attempt, 3);
    let causes: Vec<(u32, &str)> = held.errors.iter().map(|e| (e.attempt, &*e.error)).collect();
    assert_eq!(causes, [(1, "first"), (2, "second")]);
}

pub(crate) async fn schedules_survive(case: Case) {
    let subject = case.queue().await;
    let delay = case.timing().delay;
    let id = subject
        .publish(message::numbered(0).with_delay(delay))
        .await;
    let far = message::numbered(1).with_delay(case.timing().limit);
    let far = subject.publish(far).await;
    let short = message::numbered(2).with_time_to_live(delay);
    let short = subject.publish(short).await;
    let due = subject.get(id).await.and_then(|seen| seen.due_at);
    let (case, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    case.pass(delay + case.timing().tolerance()).await;
    let held = subject.take().await;
    assert_eq!(held.message.id(), id);
    assert!(Some(held.delivered_at) >= due, "not before it was due");
    assert_eq!(subject.state_of(far).await, Some(State::Scheduled));
    assert_eq!(subject.state_of(short).await, None, "what has expired has");
}

pub(crate) async fn keys_survive(case: Case) {
    let subject = case.queue().await;
    let waiting = subject.publish(message::keyed("waiting")).await;
    let acked = {
        let held = subject.take().await;
        subject.ack(&held).await;
        waiting
    };
    let ready = subject.publish(message::keyed("ready")).await;
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    for (key, id) in [("waiting", acked), ("ready", ready)] {
        let again = subject.publish_outcome(vec![message::keyed(key)]).await;
        let again = again.expect("it is answered")[0];
        assert!(again.is_duplicate() && again.id() == id, "{key} is known");
    }
    assert_eq!(subject.stats().await.live(), 1);
}

pub(crate) async fn a_pause_survives(case: Case) {
    let subject = case.queue().await;
    subject.publish(message::numbered(0)).await;
    subject.pause().await;
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    assert!(subject.stats().await.paused, "a pause survives a restart");
    subject.assert_nothing_now().await;
    subject.resume().await;
    subject.take().await;
}

pub(crate) async fn dead_letters_survive(case: Case) {
    let subject = case.queue().await;
    let first = subject.publish_dead(message::numbered(0), "one").await;
    let second = subject.publish_dead(message::numbered(1), "two").await;
    let before = subject.get(first).await.expect("it is a dead letter");
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    let all = DeadLetterFilter::all();
    assert_eq!(subject.dead_letters(&all).await, [first, second]);
    let after = subject.get(first).await.expect("it is kept");
    assert_eq!(after.message, before.message);
    assert_eq!(after.errors, before.errors);
    assert_eq!(
        (after.attempt, after.ended_at),
        (before.attempt, before.ended_at)
    );
    assert_eq!(subject.redrive(&all, 1).await.redriven, 1);
    let held = subject.take().await;
    assert_eq!((held.message.id(), held.attempt), (first, 1));
}

pub(crate) async fn queues_and_their_configurations_survive(case: Case) {
    let subject = case.queue_with(case.holding()).await;
    let deleted = case.queue().await.name;
    let gone = case.backend().delete(&deleted).await;
    gone.expect("a queue that exists is deleted");
    let config = case.holding();
    let (case, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    let kept = case.backend().config(&subject.name).await;
    assert_eq!(kept.expect("it is kept"), config);
    let listed = case.backend().list().await.expect("the queues are listed");
    assert!(listed.contains(&subject.name));
    assert!(!listed.contains(&deleted), "a deleted queue stays deleted");
}

pub(crate) async fn limits_of_leases_survive(case: Case) {
    let Some(subject) = case.limiting_queue().await else {
        return;
    };
    subject.limit_leases("a", 2).await;
    subject.limit_leases("b", 3).await;
    subject.limit_leases("b", 0).await;
    let of_a = message::numbered(0).with_fairness_key(message::fairness_key("a"));
    subject.publish_all(vec![of_a; 4]).await;
    let held = subject.take().await;
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    assert!(
        subject.stats_of("b").await.is_none(),
        "it was removed before"
    );
    let stats = subject.stats_of("a").await.expect("it has messages");
    assert_eq!(stats.lease_limit.map(u32::from), Some(2));
    assert_eq!(
        (stats.ready, stats.leased),
        (3, 1),
        "a lease that lasts counts"
    );
    assert_eq!(subject.take_all_now().await.len(), 1);
    subject.ack(&held).await;
    assert_eq!(subject.take_all_now().await.len(), 1);
}

pub(crate) async fn weights_survive(case: Case) {
    let Some(subject) = case.fair_queue().await else {
        return;
    };
    let of = |key| message::numbered(0).with_fairness_key(message::fairness_key(key));
    let heavy = |key| of(key).with_weight(message::weight(3));
    for key in ["published", "ruled", "both", "removed"] {
        subject.publish_all(vec![of(key); 2]).await;
    }
    subject.publish(heavy("published")).await;
    subject.set_weight("ruled", Some(5)).await;
    subject.publish(heavy("both")).await;
    subject.set_weight("both", Some(5)).await;
    subject.set_weight("removed", Some(5)).await;
    subject.set_weight("removed", None).await;
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    for (key, weight) in [("published", 3), ("ruled", 5), ("both", 5), ("removed", 1)] {
        let stats = subject.stats_of(key).await.expect("it has messages");
        assert_eq!(stats.weight.get(), weight, "of the key that is {key}");
    }
}

pub(crate) async fn token_buckets_survive(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(2))).await;
    subject.throttle("gone", Some(slow(1))).await;
    subject.throttle("gone", None).await;
    let mail = message::numbered(0).with_throttle_key(message::throttle_key("mail"));
    subject.publish_all(vec![mail; 5]).await;
    let (_, Some(subject)) = restarted(case, &subject.name).await else {
        return;
    };
    let seen = subject.throttle_stats(9).await;
    let [mail] = &seen[..] else {
        panic!("one bucket is there, but {seen:?} is told");
    };
    assert_eq!(mail.key, message::throttle_key("mail"));
    assert_eq!(mail.throttle, slow(2));
    let most = subject.take_all_now().await.len();
    assert!(most <= 2, "{most} came, where the burst is 2");
    subject.throttle("mail", None).await;
    assert_eq!(subject.take_all_now().await.len(), 5 - most);
}
