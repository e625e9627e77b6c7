use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Error, Headers, NewMessage, PublishOutcome, Queue, Receipt, SettleOutcome,
};

use crate::mutation::{Mutation, assert_caught};

/// The message as it is, but for payload, id and all options.
fn bare(message: &NewMessage, payload: Vec<u8>) -> NewMessage {
    NewMessage::new(message.kind().clone(), payload).with_headers(message.headers().clone())
}

/// Forgets the headers.
struct NoHeaders;

#[async_trait]
impl Mutation for NoHeaders {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let bare = |message: NewMessage| message.with_headers(Headers::new());
        let messages = messages.into_iter().map(bare).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn forgotten_headers() {
    assert_caught(
        "round_trip",
        "what_is_published_is_received_as_it_was",
        || NoHeaders,
    );
}

/// Keeps the payload as text.
struct TextOnly;

#[async_trait]
impl Mutation for TextOnly {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let as_text = |message: &NewMessage| {
            let text = String::from_utf8_lossy(message.payload()).into_owned();
            bare(message, text.into_bytes())
        };
        let messages = messages.iter().map(as_text).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn payload_kept_as_text() {
    assert_caught("round_trip", "a_payload_is_never_inspected", || TextOnly);
}

/// Makes an id of its own although the sender made one.
struct OwnId;

#[async_trait]
impl Mutation for OwnId {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let without_id = |message: &NewMessage| bare(message, message.payload().to_vec());
        let messages = messages.iter().map(without_id).collect();
        inner.publish(messages, patience).await
    }
}

#[test]
fn id_of_the_sender_ignored() {
    assert_caught("round_trip", "an_id_that_the_sender_made_is_kept", || OwnId);
}

/// Answers an ack and does nothing.
struct EmptyAck;

#[async_trait]
impl Mutation for EmptyAck {
    async fn ack(&self, _: &dyn Queue, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        Ok(vec![SettleOutcome::Done; receipts.len()])
    }
}

#[test]
fn ack_without_effect() {
    let case = "a_message_is_delivered_once_and_then_gone";
    assert_caught("round_trip", case, || EmptyAck);
}
