use std::fmt;

use bytes::Bytes;

use crate::new_message::Options;
use crate::{
    FairnessKey, Headers, IdempotencyKey, Kind, MessageId, Moment, NewMessage, ThrottleKey,
    Timestamp, Weight,
};

/// 32 bytes that stand for what an idempotency key means, for example a SHA-256 of the request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(32 bytes)")
    }
}

/// An accepted message. What it says never changes; what happens to it (attempts, errors, state) is kept beside it.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    id: MessageId,
    kind: Kind,
    headers: Headers,
    payload: Bytes,
    published_at: Timestamp,
    options: Option<Box<Options>>,
}

impl Message {
    /// What a store keeps of a message that it accepts at `now`: relative times become absolute here.
    pub fn accept(new: NewMessage, id: MessageId, now: Timestamp) -> Self {
        let (_, kind, headers, payload, mut options) = new.into_parts();
        if let Some(options) = &mut options {
            options.deliver = options.deliver.map(|m| Moment::At(m.resolve(now)));
            options.expires = options.expires.map(|m| Moment::At(m.resolve(now)));
        }
        Self {
            id,
            kind,
            headers,
            payload,
            published_at: now,
            options,
        }
    }

    /// The id.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The payload, byte for byte as it was published.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The same message with this payload, for a store that keeps payloads apart.
    pub fn with_payload(&self, payload: Bytes) -> Self {
        Self {
            id: self.id,
            kind: self.kind.clone(),
            headers: self.headers.clone(),
            payload,
            published_at: self.published_at,
            options: self.options.clone(),
        }
    }

    /// When the store accepted it, by the store's clock.
    pub fn published_at(&self) -> Timestamp {
        self.published_at
    }

    /// The idempotency key.
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.options.as_ref()?.idempotency_key.as_ref()
    }

    /// What the idempotency key stands for.
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        self.options.as_ref()?.fingerprint.as_ref()
    }

    /// The fairness key; `"default"` where none was named.
    pub fn fairness_key(&self) -> &FairnessKey {
        static DEFAULT: FairnessKey = FairnessKey::DEFAULT;
        self.options.as_ref().map_or(&DEFAULT, |o| &o.fairness_key)
    }

    /// The weight that it sets for its fairness key.
    pub fn weight(&self) -> Option<Weight> {
        self.options.as_ref()?.weight
    }

    /// The throttle keys.
    pub fn throttle_keys(&self) -> &[ThrottleKey] {
        self.options.as_ref().map_or(&[], |o| &o.throttle_keys)
    }

    /// When it was to be delivered at the earliest, as published.
    pub fn deliver_at(&self) -> Option<Timestamp> {
        at(self.options.as_ref()?.deliver)
    }

    /// From when on it is no longer delivered, as published. Redriving a dead letter lifts it.
    pub fn expires_at(&self) -> Option<Timestamp> {
        at(self.options.as_ref()?.expires)
    }
}

fn at(moment: Option<Moment>) -> Option<Timestamp> {
    moment.map(|m| m.resolve(Timestamp::ZERO))
}

impl fmt::Debug for Message {
    /// Prints sizes, not content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("headers", &self.headers)
            .field("payload_bytes", &self.payload.len())
            .field("published_at", &self.published_at)
            .field("keyed", &self.idempotency_key().is_some())
            .field("deliver_at", &self.deliver_at())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn relative_times_count_from_acceptance() {
        let new = NewMessage::new(Kind::from_static("k"), "canary-payload")
            .with_delay(Duration::from_secs(2))
            .with_time_to_live(Duration::from_secs(5))
            .with_idempotency_key(IdempotencyKey::new("canary-key").unwrap())
            .with_fairness_key(FairnessKey::new("canary-fair").unwrap())
            .with_throttle_key(ThrottleKey::new("canary-throttle").unwrap());
        assert!(!format!("{new:?}").contains("canary"));
        let id = MessageId::from_bytes([7; 16]);
        let message = Message::accept(new, id, Timestamp::from_millis(1_000));
        assert_eq!(message.deliver_at(), Some(Timestamp::from_millis(3_000)));
        assert_eq!(message.expires_at(), Some(Timestamp::from_millis(6_000)));
        assert_eq!(message.id(), id);
        assert!(!format!("{message:?}").contains("canary"));
    }

    #[test]
    fn the_payload_alone_is_replaced() {
        let new = NewMessage::new(Kind::from_static("k"), "long")
            .with_idempotency_key(IdempotencyKey::new("key").unwrap());
        let id = MessageId::from_bytes([7; 16]);
        let message = Message::accept(new, id, Timestamp::from_millis(1_000));
        let bare = message.with_payload(Bytes::new());
        assert!(bare.payload().is_empty() && bare != message);
        assert_eq!(bare.with_payload(Bytes::from_static(b"long")), message);
    }

    #[test]
    fn a_plain_message_is_small() {
        assert!(size_of::<Message>() <= 112, "{}", size_of::<Message>());
    }
}
