//! What goes in comes out.

use forebay_queue_core::{Headers, Kind, NewMessage};

use crate::{Case, message};

pub(crate) async fn what_is_published_is_received_as_it_was(case: Case) {
    let subject = case.queue().await;
    let mut headers = Headers::new();
    let inserted = headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-01");
    inserted.expect("the header is valid");
    let message = NewMessage::new(Kind::from_static("send-email"), "hello")
        .with_headers(headers.clone())
        .with_fairness_key(message::fairness_key("tenant-7"));
    let id = subject.publish(message).await;

    let delivery = subject.take().await;
    assert_eq!(delivery.message.id(), id);
    assert_eq!(delivery.message.kind().as_str(), "send-email");
    assert_eq!(delivery.message.payload(), "hello");
    assert_eq!(*delivery.message.headers(), headers);
    assert_eq!(delivery.message.fairness_key().as_str(), "tenant-7");
    assert_eq!(delivery.attempt, 1);
    subject.ack(&delivery).await;
    subject.assert_nothing_now().await;
}

pub(crate) async fn a_payload_is_never_inspected(case: Case) {
    let subject = case.queue().await;
    let payloads: [&[u8]; 5] = [
        b"",
        b"\0",
        b"\xff\xfe not text",
        b"{\"half\":",
        b"\r\n*1\r\n",
    ];
    for payload in payloads {
        subject
            .publish(NewMessage::new(message::KIND, payload))
            .await;
        let delivery = subject.take().await;
        assert_eq!(delivery.message.payload(), payload);
        subject.ack(&delivery).await;
    }
}
