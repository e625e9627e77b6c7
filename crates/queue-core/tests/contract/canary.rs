//! `Debug` of every public type that carries content prints none of it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    CallId, CancelTarget, DeadLetterFilter, Delivery, Error, ErrorRecord, Event, FairnessKey,
    Fingerprint, Headers, IdempotencyKey, Kind, Message, MessageId, Nack, NackAction, NewMessage,
    Operation, Page, QueueName, Receipt, Request, Response, Settings, Source, State, StoredMessage,
    ThrottleKey, Timestamp,
};

const CANARY: &str = "canary";

/// Neither as text, nor as the bytes of the text.
fn assert_quiet(value: &impl Debug) {
    for printed in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!printed.contains(CANARY), "{printed}");
        let flat: String = printed.split_whitespace().collect();
        let bytes = format!("{:?}", CANARY.as_bytes()).replace(' ', "");
        let inner = bytes.trim_matches(['[', ']']);
        assert!(!flat.contains(inner), "{printed}");
    }
}

fn id() -> MessageId {
    MessageId::from_bytes([1; 16])
}

fn fingerprint() -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..6].copy_from_slice(CANARY.as_bytes());
    Fingerprint(bytes)
}

fn headers() -> Headers {
    let mut headers = Headers::new();
    headers.insert("authorization", CANARY).unwrap();
    headers
}

fn message() -> NewMessage {
    NewMessage::new(Kind::from_static("job"), CANARY)
        .with_headers(headers())
        .with_idempotency_key(IdempotencyKey::new(CANARY).unwrap())
        .with_fingerprint(fingerprint())
        .with_fairness_key(FairnessKey::new(CANARY).unwrap())
        .with_throttle_key(ThrottleKey::new(CANARY).unwrap())
}

fn accepted() -> Arc<Message> {
    Arc::new(Message::accept(message(), id(), Timestamp::ZERO))
}

fn record() -> ErrorRecord {
    ErrorRecord::new(1, Timestamp::ZERO, CANARY)
}

fn receipt() -> Receipt {
    Receipt::from_bytes(CANARY.as_bytes())
}

fn delivery() -> Delivery {
    Delivery {
        message: accepted(),
        attempt: 1,
        receipt: receipt(),
        lease: Duration::ZERO,
        age_from: Timestamp::ZERO,
        delivered_at: Timestamp::ZERO,
        errors: vec![record()],
    }
}

fn stored() -> StoredMessage {
    StoredMessage {
        message: accepted(),
        state: State::Dead,
        attempt: 1,
        due_at: None,
        leased_until: None,
        ended_at: None,
        errors: vec![record()],
    }
}

fn nack() -> Nack {
    Nack {
        receipt: receipt(),
        action: NackAction::DeadLetter,
        cause: Some(CANARY.into()),
    }
}

#[test]
fn the_canary_would_be_seen() {
    let seen = std::panic::catch_unwind(|| assert_quiet(&CANARY));
    assert!(seen.is_err());
    let seen = std::panic::catch_unwind(|| assert_quiet(&CANARY.as_bytes()));
    assert!(seen.is_err());
}

#[test]
fn keys_headers_and_fingerprints() {
    assert_quiet(&IdempotencyKey::new(CANARY).unwrap());
    assert_quiet(&FairnessKey::new(CANARY).unwrap());
    assert_quiet(&ThrottleKey::new(CANARY).unwrap());
    assert_quiet(&fingerprint());
    assert_quiet(&headers());
    assert_quiet(&receipt());
}

#[test]
fn messages_in_every_shape() {
    assert_quiet(&message());
    assert_quiet(&accepted());
    assert_quiet(&record());
    assert_quiet(&delivery());
    assert_quiet(&stored());
    assert_quiet(&Page {
        items: vec![stored()],
        next: None,
    });
}

#[test]
fn what_is_asked_for() {
    let key = IdempotencyKey::new(CANARY).unwrap();
    assert_quiet(&nack());
    assert_quiet(&CancelTarget::Key(key));
    assert_quiet(&DeadLetterFilter {
        error_contains: Some(CANARY.to_owned()),
        fairness_key: Some(FairnessKey::new(CANARY).unwrap()),
        ..DeadLetterFilter::default()
    });
    assert_quiet(&Settings::from_iter([("PASSWORD", CANARY)]));
}

#[test]
fn events() {
    let queue = QueueName::from_static("jobs");
    let source = Source {
        backend: "memory",
        queue: &queue,
    };
    let target = CancelTarget::Key(IdempotencyKey::new(CANARY).unwrap());
    let (messages, receipts, nacks) = ([message()], [receipt()], [nack()]);
    let requests = [
        Request::Publish(&messages),
        Request::Receipts(&receipts),
        Request::Nacks(&nacks),
        Request::Cancel(&target),
    ];
    for request in requests {
        assert_quiet(&Event::Invoked {
            call: CallId(1),
            source,
            operation: Operation::Publish,
            request,
        });
    }
    let deliveries = [delivery()];
    assert_quiet(&Event::Returned {
        call: CallId(1),
        source,
        operation: Operation::Receive,
        elapsed: Duration::ZERO,
        response: Response::Delivered(&deliveries),
    });
    assert_quiet(&Event::Started {
        source,
        delivery: &deliveries[0],
        dwell: Duration::ZERO,
    });
}

#[test]
fn errors_about_content_do_not_contain_it() {
    let long = format!("{CANARY}\u{0}{}", "x".repeat(300));
    let mut headers = Headers::new();
    let errors: Vec<Error> = vec![
        IdempotencyKey::new(&long).unwrap_err(),
        IdempotencyKey::new(format!("{CANARY}\n")).unwrap_err(),
        FairnessKey::new(&long).unwrap_err(),
        ThrottleKey::new(&long).unwrap_err(),
        headers.insert("a", format!("{CANARY}\0")).unwrap_err(),
        headers.insert("a", CANARY.repeat(2_000)).unwrap_err(),
    ];
    for error in errors {
        assert!(!error.to_string().contains(CANARY), "{error}");
        assert_quiet(&error);
    }
}
