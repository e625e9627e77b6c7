//! What a message waits for, everything of it and nothing else.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_queue_core::{Explanation, MessageId, NewMessage, QueueConfig, Reason, State};

use crate::scheduling::{rate, slow};
use crate::{Case, Subject, Timing, message};

fn of_key(key: &str) -> NewMessage {
    message::numbered(0).with_fairness_key(message::fairness_key(key))
}

fn mail() -> NewMessage {
    message::numbered(0).with_throttle_key(message::throttle_key("mail"))
}

/// It is in this state and waits for nothing.
async fn assert_waits_for_nothing(subject: &Subject, id: MessageId, state: State) {
    let expected = Explanation {
        state,
        reasons: Vec::new(),
    };
    assert_eq!(subject.explain(id).await, expected);
}

fn behind(messages: u64) -> Reason {
    Reason::Behind { messages }
}

pub(crate) async fn what_is_unknown_or_gone_is_not_explained(case: Case) {
    let subject = case.queue().await;
    let acked = subject.publish(message::numbered(0)).await;
    subject.finish_many(1).await;
    for id in [MessageId::from_bytes([9; 16]), acked] {
        let answer = subject.management.explain(id).await;
        let answer = answer.expect("an explanation is answered");
        assert!(answer.is_none(), "there is nothing to explain: {answer:?}");
    }
}

pub(crate) async fn what_is_next_waits_for_nothing(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::numbered(0)).await;
    assert_waits_for_nothing(&subject, id, State::Ready).await;
}

pub(crate) async fn what_is_scheduled_says_until_when(case: Case) {
    let subject = case.holding_queue().await;
    let delay = case.timing().delay;
    let later = message::numbered(0).with_delay(delay);
    let id = subject.publish(later).await;
    let until = subject.get(id).await.and_then(|seen| seen.due_at);
    let until = until.expect("it is scheduled");
    assert_eq!(subject.explain(id).await.state, State::Scheduled);
    subject
        .assert_reasons(id, &[Reason::Scheduled { until }])
        .await;
    case.pass(delay + case.timing().tolerance()).await;
    assert_waits_for_nothing(&subject, id, State::Ready).await;
    let held = subject.take().await;
    subject.retry(&held, case.timing().limit, "no").await;
    let until = subject.get(id).await.and_then(|seen| seen.due_at);
    let until = until.expect("it waits for its next attempt");
    subject
        .assert_reasons(id, &[Reason::Scheduled { until }])
        .await;
}

pub(crate) async fn what_is_leased_says_until_when(case: Case) {
    let subject = case.queue().await;
    let id = subject.publish(message::numbered(0)).await;
    let held = subject.take().await;
    let until = subject.get(id).await.and_then(|seen| seen.leased_until);
    let until = until.expect("it is leased");
    assert!(until > held.delivered_at);
    assert_eq!(subject.explain(id).await.state, State::Leased);
    subject
        .assert_reasons(id, &[Reason::Leased { until }])
        .await;
    let timing = case.timing();
    case.pass(timing.lease + timing.tolerance()).await;
    assert_waits_for_nothing(&subject, id, State::Ready).await;
}

pub(crate) async fn a_pause_is_a_reason_for_what_is_not_running(case: Case) {
    let subject = case.holding_queue().await;
    let leased = subject.publish(message::numbered(0)).await;
    subject.take().await;
    let later = message::numbered(1).with_delay(case.timing().limit);
    let scheduled = subject.publish(later).await;
    let ready = subject.publish(message::numbered(2)).await;
    subject.pause().await;
    subject.assert_reasons(ready, &[Reason::Paused]).await;
    let due = subject.get(scheduled).await.and_then(|seen| seen.due_at);
    let until = due.expect("it is scheduled");
    let both = [Reason::Scheduled { until }, Reason::Paused];
    subject.assert_reasons(scheduled, &both).await;
    let seen = subject.get(leased).await.and_then(|seen| seen.leased_until);
    let until = seen.expect("it is leased");
    subject
        .assert_reasons(leased, &[Reason::Leased { until }])
        .await;
    subject.resume().await;
    assert_waits_for_nothing(&subject, ready, State::Ready).await;
}

pub(crate) async fn what_has_ended_waits_for_nothing(case: Case) {
    let retain_done = if case.capabilities().retain_done {
        Duration::from_hours(1)
    } else {
        Duration::ZERO
    };
    let config = QueueConfig {
        retain_done,
        ..case.holding()
    };
    let subject = case.queue_with(config).await;
    let dead = subject.publish_dead(message::numbered(0), "no").await;
    let done = subject.publish(message::numbered(1)).await;
    subject.finish_many(1).await;
    subject.pause().await;
    assert_waits_for_nothing(&subject, dead, State::Dead).await;
    if case.capabilities().retain_done {
        assert_waits_for_nothing(&subject, done, State::Done).await;
    }
    let explained = subject.management.explain(done).await;
    let explained = explained.expect("an explanation is answered");
    assert_eq!(explained.is_some(), case.capabilities().retain_done);
}

pub(crate) async fn who_is_behind_others_says_how_many(case: Case) {
    let subject = case.holding_queue().await;
    let of_a = subject.publish_all(vec![of_key("a"); 3]).await;
    let of_b = subject.publish_all(vec![of_key("b"); 2]).await;
    if !case.tells_keys_apart() {
        // Who goes first may not be known; the state is.
        for id in of_a.into_iter().chain(of_b) {
            assert_eq!(subject.explain(id).await.state, State::Ready);
        }
        return;
    }
    subject.assert_reasons(of_a[0], &[]).await;
    subject.assert_reasons(of_a[1], &[behind(1)]).await;
    subject.assert_reasons(of_a[2], &[behind(2)]).await;
    subject.assert_reasons(of_b[0], &[]).await;
    subject.assert_reasons(of_b[1], &[behind(1)]).await;
    subject.take_many(2).await;
    subject.assert_reasons(of_a[2], &[behind(1)]).await;
    subject.assert_reasons(of_b[1], &[]).await;
}

pub(crate) async fn what_lacks_a_token_says_whose_and_until_when(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    subject.throttle("mail", Some(rate(1, delay))).await;
    let ids = subject.publish_all(vec![mail(); 2]).await;
    let taken = subject.take().await;
    assert_eq!(taken.message.id(), ids[0]);
    let until = throttled_until(&subject, ids[1]).await;
    let wait = until.since(taken.delivered_at);
    assert!(
        wait.abs_diff(delay) <= Timing::GRAIN,
        "a token comes after {delay:?}, not {wait:?}"
    );
    let next = subject.take().await;
    case.assert_in_time("a throttled message", until, next.delivered_at);
}

/// When the only bucket of a message may have a token for it, which is all that it waits for.
async fn throttled_until(subject: &Subject, id: MessageId) -> forebay_queue_core::Timestamp {
    let found = subject.explain(id).await;
    assert_eq!(found.state, State::Ready, "what is parked is ready");
    match &found.reasons[..] {
        [Reason::Throttled { key, until }] => {
            assert_eq!(*key, message::throttle_key("mail"));
            *until
        }
        others => panic!("it lacks a token and nothing else, but waits for {others:?}"),
    }
}

pub(crate) async fn what_has_its_token_does_not_lack_it(case: Case) {
    let Some(subject) = case.throttling_queue().await else {
        return;
    };
    let delay = case.timing().delay;
    subject.throttle("mail", Some(rate(1, delay))).await;
    let ids = subject.publish_all(vec![mail(); 2]).await;
    assert_waits_for_nothing(&subject, ids[0], State::Ready).await;
    subject.take().await;
    subject.assert_nothing_now().await;
    case.pass(delay + case.timing().tolerance()).await;
    assert_waits_for_nothing(&subject, ids[1], State::Ready).await;
    subject.throttle("mail", Some(slow(1))).await;
    subject.take().await;
    let again = subject.publish(mail()).await;
    throttled_until(&subject, again).await;
    subject.throttle("mail", None).await;
    assert_waits_for_nothing(&subject, again, State::Ready).await;
}

pub(crate) async fn a_key_at_its_limit_says_so(case: Case) {
    let Some(subject) = case.limiting_queue().await else {
        return;
    };
    subject.limit_leases("a", 1).await;
    let ids = subject.publish_all(vec![of_key("a"); 3]).await;
    subject.assert_reasons(ids[0], &[]).await;
    let held = subject.take().await;
    let limit = Reason::LeaseLimit {
        limit: NonZeroU32::MIN,
    };
    subject
        .assert_reasons(ids[1], std::slice::from_ref(&limit))
        .await;
    subject
        .assert_reasons(ids[2], &[limit.clone(), behind(1)])
        .await;
    subject.ack(&held).await;
    subject.assert_reasons(ids[1], &[]).await;
    subject.assert_reasons(ids[2], &[behind(1)]).await;
}

pub(crate) async fn several_reasons_are_all_told(case: Case) {
    if case.throttling_queue().await.is_none() {
        return;
    }
    let Some(subject) = case.limiting_queue().await else {
        return;
    };
    subject.throttle("mail", Some(slow(1))).await;
    subject.limit_leases("a", 1).await;
    let mail = of_key("a").with_throttle_key(message::throttle_key("mail"));
    let ids = subject.publish_all(vec![mail; 3]).await;
    subject.take().await;
    subject.assert_nothing_now().await;
    subject.pause().await;
    let found = subject.explain(ids[2]).await.reasons;
    let limit = Reason::LeaseLimit {
        limit: NonZeroU32::MIN,
    };
    for expected in [Reason::Paused, limit, behind(1)] {
        assert!(
            found.contains(&expected),
            "{expected:?} is not in {found:?}"
        );
    }
    let lacks = |reason: &Reason| matches!(reason, Reason::Throttled { .. });
    assert!(found.iter().any(lacks), "it lacks a token too: {found:?}");
    assert_eq!(found.len(), 4, "{found:?}");
}
