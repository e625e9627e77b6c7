use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::{Error, Headers, NewMessage, PublishOutcome, Queue};

use crate::mutation::{Mutation, assert_caught};

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
