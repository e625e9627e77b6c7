use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{
    Delivery, Error, Kind, Message, NewMessage, PublishOutcome, Queue, Timestamp,
};

use crate::mutation::{Mutation, assert_caught};

const GROUP: &str = "quiet";

/// The error of a full queue says what it had no room for.
struct TellsThePayload;

#[async_trait]
impl Mutation for TellsThePayload {
    async fn publish(
        &self,
        inner: &dyn Queue,
        messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        let first = messages.first().map(|m| m.payload().clone());
        inner.publish(messages, patience).await.map_err(|error| {
            let payload = first.unwrap_or_default();
            Error::Unavailable {
                backend: "memory",
                source: Some(format!("{error}: {}", String::from_utf8_lossy(&payload)).into()),
            }
        })
    }
}

#[test]
fn an_error_with_a_payload_in_it() {
    let case = "no_error_shows_what_is_in_a_message";
    assert_caught(GROUP, case, || TellsThePayload);
}

/// The payload is made a part of the kind, which is shown.
struct KindOfThePayload;

#[async_trait]
impl Mutation for KindOfThePayload {
    async fn receive(
        &self,
        inner: &dyn Queue,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = inner.receive(max, wait).await?;
        for delivery in &mut deliveries {
            let payload = delivery.message.payload().clone();
            let text = String::from_utf8_lossy(&payload).into_owned();
            let kind = Kind::new(text).unwrap_or(Kind::from_static("none"));
            let new = NewMessage::new(kind, payload);
            let shown = Message::accept(new, delivery.message.id(), Timestamp::ZERO);
            delivery.message = shown.into();
        }
        Ok(deliveries)
    }
}

#[test]
fn a_debug_with_a_payload_in_it() {
    let case = "no_debug_shows_what_is_in_a_message";
    assert_caught(GROUP, case, || KindOfThePayload);
}
