use std::pin::Pin;
use std::time::Duration;

use forebay_queue_core::{
    Error, FairnessKey, Fingerprint, IdempotencyKey, Kind, MessageId, NewMessage, PublishOutcome,
    ThrottleKey, Timestamp, Weight,
};

use crate::Producer;

/// A publish under way: add what it needs, then `.await`.
///
/// Nothing happens before the `.await`. A value that breaks its rule is not reported where it is given but by the
/// `.await`, so that the calls can be chained.
#[must_use = "nothing is published before it is awaited"]
#[derive(Debug)]
pub struct Publish<'a> {
    producer: &'a Producer,
    message: Result<NewMessage, Error>,
    patience: Duration,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(
        producer: &'a Producer,
        kind: &'static str,
        payload: serde_json::Result<Vec<u8>>,
    ) -> Self {
        let connection = producer.connection();
        let message = Kind::new(kind).and_then(|kind| {
            let payload = payload.map_err(|error| unencodable(&error))?;
            let id = connection.environment().next_id();
            Ok(NewMessage::new(kind, payload).with_id(id))
        });
        Self {
            producer,
            message,
            patience: connection.publish_wait(),
        }
    }

    /// A second publish with the same key within the queue's window answers
    /// [`Duplicate`](PublishOutcome::Duplicate).
    pub fn idempotency_key(self, key: impl AsRef<str>) -> Self {
        self.with(IdempotencyKey::new(key), NewMessage::with_idempotency_key)
    }

    /// What the idempotency key stands for, so that a duplicate can say whether it is the same thing.
    pub fn fingerprint(self, fingerprint: Fingerprint) -> Self {
        self.with(Ok(fingerprint), NewMessage::with_fingerprint)
    }

    /// Whose turn this message takes.
    pub fn fairness_key(self, key: impl AsRef<str>) -> Self {
        self.with(FairnessKey::new(key), NewMessage::with_fairness_key)
    }

    /// Sets the weight of the fairness key from now on: 1 to 1000.
    pub fn weight(self, weight: u16) -> Self {
        self.with(Weight::new(weight), NewMessage::with_weight)
    }

    /// Each delivery takes a token from the bucket of this name too.
    pub fn throttle_key(self, key: impl AsRef<str>) -> Self {
        self.with(ThrottleKey::new(key), NewMessage::with_throttle_key)
    }

    /// Not before this long after acceptance.
    pub fn delay(self, delay: Duration) -> Self {
        self.with(Ok(delay), NewMessage::with_delay)
    }

    /// Not before this time.
    pub fn deliver_at(self, at: impl Into<Timestamp>) -> Self {
        self.with(Ok(at.into()), NewMessage::with_deliver_at)
    }

    /// Not delivered from this long after acceptance on.
    pub fn expires_in(self, span: Duration) -> Self {
        self.with(Ok(span), NewMessage::with_time_to_live)
    }

    /// Not delivered from this time on.
    pub fn expires_at(self, at: impl Into<Timestamp>) -> Self {
        self.with(Ok(at.into()), NewMessage::with_expires_at)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        if let Ok(message) = &mut self.message
            && let Err(error) = message.headers_mut().insert(name, value)
        {
            self.message = Err(error);
        }
        self
    }

    /// An id of one's own; otherwise a fresh one is made.
    pub fn id(self, id: MessageId) -> Self {
        self.with(Ok(id), NewMessage::with_id)
    }

    /// How long to wait for room, instead of the connection's default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The id that the message will have; `None` if a value broke its rule. It is made here, so it is known even when
    /// the answer to the publish is lost.
    pub fn message_id(&self) -> Option<MessageId> {
        self.message.as_ref().ok()?.id()
    }

    /// The finished message, unpublished: encoded, with its id and the headers of the observers, within the limits.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the first value that broke its rule, [`Error::TooLarge`].
    pub fn prepare(self) -> Result<NewMessage, Error> {
        let mut message = self.message?;
        let connection = self.producer.connection();
        connection.observers().inject(message.headers_mut());
        let limits = connection.backend().capabilities().limits;
        limits.check_messages(std::slice::from_ref(&message))?;
        Ok(message)
    }

    fn with<T>(
        mut self,
        value: Result<T, Error>,
        set: impl FnOnce(NewMessage, T) -> NewMessage,
    ) -> Self {
        // The first error stays.
        self.message = self.message.and_then(|message| Ok(set(message, value?)));
        self
    }
}

impl<'a> IntoFuture for Publish<'a> {
    type Output = Result<PublishOutcome, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    /// Publishes.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let queue = self.producer.connection().queue();
            let patience = self.patience;
            let message = self.prepare()?;
            let outcomes = queue.publish(vec![message], patience).await?;
            outcomes.into_iter().next().ok_or(Error::Contract {
                problem: "a publish of one message was answered with no outcome",
            })
        })
    }
}

/// Serialising fails for reasons of the type (a map with keys that are no strings), never of the content; still, only
/// the category is told.
fn unencodable(error: &serde_json::Error) -> Error {
    Error::Invalid {
        what: "task",
        problem: format!("it cannot be written as JSON ({:?})", error.classify()),
        allowed: "what serde_json can write",
    }
}
