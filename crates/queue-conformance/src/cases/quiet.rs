//! What people put into a queue is in no error and in no `Debug`.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::time::Duration;

use forebay_queue_core::{
    CancelTarget, DeadLetterFilter, Fingerprint, Headers, Kind, Nack, NackAction, NewMessage,
    PageRequest, QueueConfig, Rule, ThrottleKey,
};

use crate::scheduling::slow;
use crate::{Case, Subject, message};

/// In everything that must not be seen.
const CANARY: &str = "canary-7f3a";

fn secret() -> NewMessage {
    let mut headers = Headers::new();
    let inserted = headers.insert("authorization", CANARY);
    inserted.expect("the header is valid");
    NewMessage::new(Kind::from_static("mail"), CANARY)
        .with_headers(headers)
        .with_idempotency_key(message::idempotency_key(&format!("{CANARY}-i")))
        .with_fairness_key(message::fairness_key(&format!("{CANARY}-f")))
        .with_fingerprint(Fingerprint([0xca; 32]))
}

fn assert_quiet(what: &str, shown: &impl Debug) {
    for text in [format!("{shown:?}"), format!("{shown:#?}")] {
        assert!(
            !text.contains(CANARY) && !text.contains(&format!("{:?}", CANARY.as_bytes())),
            "the Debug of {what} shows what was put in: {text}"
        );
    }
}

fn assert_error_is_quiet<T: Debug, E: std::error::Error>(what: &str, answer: Result<T, E>) {
    let error = answer.expect_err("it is refused");
    assert_quiet(what, &error);
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = next {
        let text = cause.to_string();
        assert!(!text.contains(CANARY), "the error of {what} says {text:?}");
        next = cause.source();
    }
}

pub(crate) async fn no_debug_shows_what_is_in_a_message(case: Case) {
    let subject = case.queue().await;
    let new = secret();
    assert_quiet("a new message", &new);
    let id = subject.publish(new).await;
    let held = subject.take().await;
    assert_quiet("a delivery", &held);
    subject.retry(&held, Duration::ZERO, CANARY).await;
    let held = subject.take().await;
    assert_quiet("a delivery with a history", &held);
    let nack = Nack {
        receipt: held.receipt.clone(),
        action: NackAction::DeadLetter,
        cause: Some(CANARY.into()),
    };
    assert_quiet("a nack", &nack);
    let nacked = subject.queue.nack(vec![nack]).await;
    nacked.expect("the store answers");
    let stored = subject.get(id).await.expect("it is a dead letter");
    assert_quiet("a stored message", &stored);
    let filter = DeadLetterFilter {
        error_contains: Some(CANARY.into()),
        fairness_key: Some(message::fairness_key(&format!("{CANARY}-f"))),
        ..DeadLetterFilter::default()
    };
    assert_quiet("a filter", &filter);
    let page = subject
        .management
        .dead_letters(&filter, PageRequest::first(1));
    let page = page.await.expect("they are listed");
    assert_eq!(page.items.len(), 1, "what is not shown is there");
    assert_quiet("a page", &page);
    let key = message::idempotency_key(&format!("{CANARY}-i"));
    assert_quiet("a target", &CancelTarget::Key(key));
}

async fn full(case: &Case) -> Subject {
    let config = QueueConfig {
        capacity: 1,
        ..case.config()
    };
    let subject = case.queue_with(config).await;
    subject.publish(message::numbered(0)).await;
    subject
}

pub(crate) async fn no_error_shows_what_is_in_a_message(case: Case) {
    let subject = full(&case).await;
    let limits = case.capabilities().limits;
    let full = subject.publish_outcome(vec![secret()]).await;
    assert_error_is_quiet("a full queue", full);
    let large = CANARY.repeat(limits.payload / CANARY.len() + 1);
    let large = NewMessage::new(message::KIND, large);
    let answer = subject.publish_outcome(vec![large]).await;
    assert_error_is_quiet("a payload that is too large", answer);
    let answer = subject.publish_outcome(vec![secret(); 2]).await;
    assert_error_is_quiet("a batch that does not fit", answer);
    let many = vec![secret(); limits.batch + 1];
    assert_error_is_quiet("a large batch", subject.publish_outcome(many).await);
    let held = subject.take().await;
    let again = secret().with_id(held.message.id());
    let answer = subject.publish_outcome(vec![again]).await;
    assert_error_is_quiet("an id in use", answer);
    if !case.capabilities().throttling {
        let key = ThrottleKey::new(CANARY).expect("it is a key");
        let throttled = secret().with_throttle_key(key);
        let answer = subject.publish_outcome(vec![throttled]).await;
        assert_error_is_quiet("a throttle key", answer);
    }
    subject.queue.close().await.expect("the session closes");
    let closed = subject.publish_outcome(vec![secret()]).await;
    assert_error_is_quiet("a closed session", closed);
}

pub(crate) async fn no_refused_key_or_header_is_shown(case: Case) {
    let long = CANARY.repeat(100);
    let keys = [
        forebay_queue_core::IdempotencyKey::new(&long).map(drop),
        forebay_queue_core::FairnessKey::new(format!("{CANARY}\0")).map(drop),
        ThrottleKey::new(format!("{CANARY}\n")).map(drop),
    ];
    for answer in keys {
        assert_error_is_quiet("a key", answer);
    }
    let mut headers = Headers::new();
    let answers = [
        headers.insert("h", CANARY.repeat(1_000)),
        headers.insert("h", format!("{CANARY}\0")),
    ];
    for answer in answers {
        assert_error_is_quiet("a header", answer);
    }
    assert_quiet("the headers", &headers);
    // And the queue that they were meant for is as it was.
    assert_eq!(case.queue().await.stats().await.live(), 0);
}

pub(crate) async fn no_rule_and_nothing_that_tells_of_one_shows_its_key(case: Case) {
    let subject = case.holding_queue().await;
    let can = case.capabilities();
    let (fair, limited) = (can.fairness, can.lease_limits);
    let (key, throttle) = (message::fairness_key(CANARY), message::throttle_key(CANARY));
    for (has, rule) in [
        (fair, Rule::Weight(key.clone(), Some(message::weight(2)))),
        (limited, Rule::LeaseLimit(key, NonZeroU32::new(1))),
        (can.throttling, Rule::Throttle(throttle, Some(slow(1)))),
    ] {
        assert_quiet("a rule", &rule);
        let answer = subject.management.set_rule(&rule).await;
        if has {
            answer.expect("such a rule is declared");
        } else {
            assert_error_is_quiet("a rule", answer);
        }
    }
    let mut new = secret().with_fairness_key(message::fairness_key(CANARY));
    if can.throttling {
        new = new.with_throttle_key(message::throttle_key(CANARY));
    }
    subject.publish(new.clone()).await;
    subject.take().await;
    let waiting = new.with_idempotency_key(message::idempotency_key("another"));
    let id = subject.publish(waiting).await;
    assert_quiet("an explanation", &subject.explain(id).await);
    if case.tells_keys_apart() {
        let stats = subject.stats_of(CANARY).await;
        assert_quiet("a key", &stats.expect("what is not shown is there"));
    }
    if can.throttling {
        let stats = subject.throttle_stats(9).await;
        assert_eq!(stats.len(), 1, "what is not shown is there");
        assert_quiet("a bucket", &stats);
    }
}
