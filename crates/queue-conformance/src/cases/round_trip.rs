//! What goes in comes out.

use forebay_queue_core::{Headers, Kind, NewMessage, Timestamp};

use crate::{Case, Timing, message};

pub(crate) async fn what_is_published_is_received_as_it_was(case: Case) {
    let subject = case.holding_queue().await;
    let mut headers = Headers::new();
    let inserted = headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-01");
    inserted.expect("the header is valid");
    let message = NewMessage::new(Kind::from_static("send-email"), "hello")
        .with_headers(headers.clone())
        .with_fairness_key(message::fairness_key("tenant-7"))
        .with_idempotency_key(message::idempotency_key("welcome:42"))
        .with_fingerprint(message::fingerprint(7));
    let id = subject.publish(message).await;

    let delivery = subject.take().await;
    let received = &delivery.message;
    assert_eq!(received.id(), id);
    assert_eq!(received.kind().as_str(), "send-email");
    assert_eq!(received.payload(), "hello");
    assert_eq!(*received.headers(), headers);
    assert_eq!(received.fairness_key().as_str(), "tenant-7");
    assert_eq!(
        received.idempotency_key(),
        Some(&message::idempotency_key("welcome:42")),
        "the handler sees the idempotency key"
    );
    assert_eq!(
        received.fingerprint(),
        Some(&message::fingerprint(7)),
        "the handler sees the fingerprint"
    );
    assert_eq!(delivery.attempt, 1);
    subject.ack(&delivery).await;
    subject.assert_nothing_now().await;
}

pub(crate) async fn what_is_left_out_has_its_default(case: Case) {
    let subject = case.holding_queue().await;
    subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    let received = &delivery.message;
    assert_eq!(received.fairness_key().as_str(), "default");
    assert!(received.headers().is_empty(), "nobody gave a header");
    assert_eq!(received.idempotency_key(), None);
    assert_eq!(received.fingerprint(), None);
    assert_eq!(received.weight(), None);
    assert!(received.throttle_keys().is_empty());
    assert_eq!(received.deliver_at(), None);
    assert_eq!(received.expires_at(), None);
    assert!(delivery.errors.is_empty(), "nothing has failed yet");
}

pub(crate) async fn a_payload_is_never_inspected(case: Case) {
    let subject = case.holding_queue().await;
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let payloads: [&[u8]; 6] = [
        b"",
        b"\0",
        b"\xff\xfe not text",
        b"{\"half\":",
        b"\r\n*1\r\n",
        &all,
    ];
    for payload in payloads {
        subject
            .publish(NewMessage::new(message::KIND, payload.to_vec()))
            .await;
        let delivery = subject.take().await;
        assert_eq!(delivery.message.payload(), payload);
        subject.ack(&delivery).await;
    }
}

pub(crate) async fn headers_come_out_as_they_were(case: Case) {
    let subject = case.holding_queue().await;
    let mut odd = Headers::new();
    for (name, value) in [
        ("empty", ""),
        ("lines", "a\r\nb: c\n\n"),
        ("letters", "Grüße, 你好, 🎈"),
        ("quotes", "\"'\\{}$1%"),
        ("x.y_z-0", " around "),
    ] {
        odd.insert(name, value).expect("the header is valid");
    }
    for headers in [Headers::new(), odd] {
        subject
            .publish(message::numbered(1).with_headers(headers.clone()))
            .await;
        let delivery = subject.take().await;
        // Its `Debug` does not print values.
        let (sent, got): (Vec<_>, Vec<_>) = (
            headers.iter().collect(),
            delivery.message.headers().iter().collect(),
        );
        assert_eq!(got, sent);
        subject.ack(&delivery).await;
    }
}

pub(crate) async fn an_id_that_the_sender_made_is_kept(case: Case) {
    let subject = case.holding_queue().await;
    for id in message::ids(3) {
        let accepted = subject.publish(message::numbered(1).with_id(id)).await;
        assert_eq!(accepted, id);
        let delivery = subject.take().await;
        assert_eq!(delivery.message.id(), id);
        subject.ack(&delivery).await;
    }
}

pub(crate) async fn an_id_that_is_missing_is_made(case: Case) {
    let subject = case.holding_queue().await;
    let ids = subject.publish_all(message::many(20)).await;
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len(), "an id names one message");
    for delivery in subject.take_many(ids.len()).await {
        let number = message::number(&delivery);
        assert_eq!(
            delivery.message.id(),
            ids[number],
            "outcome {number} names another message than message {number}"
        );
    }
}

pub(crate) async fn a_time_from_now_becomes_absolute_at_acceptance(case: Case) {
    let subject = case.holding_queue().await;
    let (delay, span) = (case.timing().delay, case.timing().limit);
    let message = message::numbered(1).with_delay(delay);
    subject.publish(message.with_time_to_live(span)).await;
    let delivery = subject.take().await;
    let published = delivery.message.published_at();
    assert!(
        published <= delivery.delivered_at,
        "it was handed out before it was published"
    );
    assert_near(delivery.message.deliver_at(), published.after(delay));
    assert_near(delivery.message.expires_at(), published.after(span));
}

fn assert_near(told: Option<Timestamp>, expected: Timestamp) {
    let told = told.expect("the message tells the time that was asked for");
    let apart = told.since(expected).max(expected.since(told));
    assert!(
        apart <= Timing::GRAIN,
        "{told} was told where {expected} was asked for"
    );
}

pub(crate) async fn an_absolute_time_is_told_as_it_was_given(case: Case) {
    let subject = case.holding_queue().await;
    let now = subject.store_time().await.as_millis();
    // Whole milliseconds: a store need not keep more.
    let due = Timestamp::from_millis(now - 1_000);
    let end = Timestamp::from_millis(now + 3_600_000);
    let message = message::numbered(1).with_deliver_at(due);
    subject.publish(message.with_expires_at(end)).await;
    let delivery = subject.take().await;
    assert_eq!(delivery.message.deliver_at(), Some(due));
    assert_eq!(delivery.message.expires_at(), Some(end));
}

pub(crate) async fn a_message_is_the_same_on_every_delivery(case: Case) {
    let subject = case.holding_queue().await;
    let mut message = message::keyed("k")
        .with_fingerprint(message::fingerprint(1))
        .with_fairness_key(message::fairness_key("tenant"));
    let inserted = message.headers_mut().insert("traceparent", "00-1");
    inserted.expect("the header is valid");
    subject.publish(message).await;
    let first = subject.take().await;
    let at_once = std::time::Duration::ZERO;
    subject.release(&first, at_once).await;
    let second = subject.take().await;
    assert!(second.message == first.message, "after a release");
    subject.retry(&second, at_once, "no").await;
    let third = subject.take().await;
    assert!(third.message == first.message, "after a retry");
    subject.dead_letter(&third, "no").await;
    assert_eq!(subject.redrive_all().await, 1);
    let fourth = subject.take().await;
    assert!(fourth.message == first.message, "after a redrive");
}

pub(crate) async fn a_message_is_delivered_once_and_then_gone(case: Case) {
    let subject = case.holding_queue().await;
    let id = subject.publish(message::numbered(1)).await;
    let delivery = subject.take().await;
    subject.ack(&delivery).await;
    subject.assert_nothing_for(case.timing().delay).await;
    assert_eq!(subject.state_of(id).await, None, "an acked message is gone");
    let stats = subject.stats().await;
    assert_eq!((stats.live(), stats.done, stats.dead), (0, 0, 0));
}

pub(crate) async fn what_one_process_publishes_another_receives(case: Case) {
    let subject = case.holding_queue().await;
    let there = case.another_process().await;
    let elsewhere = there.open(&subject.name).await;
    let id = subject.publish(message::numbered(1)).await;
    let delivery = elsewhere.take().await;
    assert_eq!(delivery.message.id(), id);
    elsewhere.ack(&delivery).await;
    let back = elsewhere.publish(message::numbered(2)).await;
    assert_eq!(subject.take().await.message.id(), back);
}
