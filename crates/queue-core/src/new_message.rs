use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{
    Error, FairnessKey, Fingerprint, Headers, IdempotencyKey, Kind, MessageId, ThrottleKey,
    Timestamp, Weight,
};

/// A point in time, absolute or from now on. "Now" is when the store accepts the message, by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At this time. A time that has passed means now.
    At(Timestamp),
    /// This long after acceptance.
    After(Duration),
}

impl Moment {
    /// The time meant, when accepted at `now`.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::After(span) => now.after(span),
        }
    }
}

/// A message to publish.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue_core::{IdempotencyKey, Kind, NewMessage};
///
/// let message = NewMessage::new(Kind::from_static("send-email"), br#"{"to":"ann@example.com"}"#.as_slice())
///     .with_idempotency_key(IdempotencyKey::new("welcome:42")?)
///     .with_delay(Duration::from_secs(60));
/// assert_eq!(message.payload().len(), 24);
/// # Ok::<(), forebay_queue_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct NewMessage {
    id: Option<MessageId>,
    kind: Kind,
    headers: Headers,
    payload: Bytes,
    options: Option<Box<Options>>,
}

/// What few messages have, apart, so that the others stay small.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) fairness_key: FairnessKey,
    pub(crate) weight: Option<Weight>,
    pub(crate) throttle_keys: SmallVec<[ThrottleKey; 1]>,
    pub(crate) deliver: Option<Moment>,
    pub(crate) expires: Option<Moment>,
}

impl NewMessage {
    /// A message of a kind with a payload: opaque bytes, never inspected, at most 256 KiB unless the
    /// backend's limits say otherwise.
    pub fn new(kind: Kind, payload: impl Into<Bytes>) -> Self {
        Self {
            id: None,
            kind,
            headers: Headers::new(),
            payload: payload.into(),
            options: None,
        }
    }

    /// The id, where the sender makes it; else the backend does. It must be fresh: publishing an id that
    /// the queue still knows is refused.
    #[must_use]
    pub fn with_id(mut self, id: MessageId) -> Self {
        self.id = Some(id);
        self
    }

    /// All headers at once.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// A second publish with the same key within the queue's window answers `Duplicate`.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.options_mut().idempotency_key = Some(key);
        self
    }

    /// What the idempotency key stands for, so that `Duplicate` can say whether it was the same thing.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.options_mut().fingerprint = Some(fingerprint);
        self
    }

    /// Whose turn this message takes.
    #[must_use]
    pub fn with_fairness_key(mut self, key: FairnessKey) -> Self {
        self.options_mut().fairness_key = key;
        self
    }

    /// Sets the weight of the message's fairness key from now on.
    #[must_use]
    pub fn with_weight(mut self, weight: Weight) -> Self {
        self.options_mut().weight = Some(weight);
        self
    }

    /// Each delivery takes a token from the bucket of this name too. At most 8.
    #[must_use]
    pub fn with_throttle_key(mut self, key: ThrottleKey) -> Self {
        self.options_mut().throttle_keys.push(key);
        self
    }

    /// Not before this time.
    #[must_use]
    pub fn with_deliver_at(mut self, at: Timestamp) -> Self {
        self.options_mut().deliver = Some(Moment::At(at));
        self
    }

    /// Not before this long after acceptance.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.options_mut().deliver = (!delay.is_zero()).then_some(Moment::After(delay));
        self
    }

    /// Not delivered from this time on.
    #[must_use]
    pub fn with_expires_at(mut self, at: Timestamp) -> Self {
        self.options_mut().expires = Some(Moment::At(at));
        self
    }

    /// Not delivered from this long after acceptance on.
    #[must_use]
    pub fn with_time_to_live(mut self, span: Duration) -> Self {
        self.options_mut().expires = Some(Moment::After(span));
        self
    }

    /// The id, where the sender made one.
    pub fn id(&self) -> Option<MessageId> {
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

    /// The headers, to add to.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Takes the payload out and leaves an empty one, for a store that keeps payloads apart.
    pub fn take_payload(&mut self) -> Bytes {
        std::mem::take(&mut self.payload)
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The idempotency key.
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.options.as_ref()?.idempotency_key.as_ref()
    }

    /// The fingerprint.
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        self.options.as_ref()?.fingerprint.as_ref()
    }

    /// The fairness key; `"default"` where none was named.
    pub fn fairness_key(&self) -> &FairnessKey {
        static DEFAULT: FairnessKey = FairnessKey::DEFAULT;
        self.options.as_ref().map_or(&DEFAULT, |o| &o.fairness_key)
    }

    /// The weight to set.
    pub fn weight(&self) -> Option<Weight> {
        self.options.as_ref()?.weight
    }

    /// The throttle keys.
    pub fn throttle_keys(&self) -> &[ThrottleKey] {
        self.options.as_ref().map_or(&[], |o| &o.throttle_keys)
    }

    /// When it may be delivered at the earliest.
    pub fn deliver(&self) -> Option<Moment> {
        self.options.as_ref()?.deliver
    }

    /// From when on it is no longer delivered.
    pub fn expires(&self) -> Option<Moment> {
        self.options.as_ref()?.expires
    }

    /// Bytes that count towards the limit of a batch: payload, headers and kind.
    pub fn size(&self) -> usize {
        self.payload.len() + self.headers.size() + self.kind.as_str().len()
    }

    pub(crate) fn into_parts(
        self,
    ) -> (
        Option<MessageId>,
        Kind,
        Headers,
        Bytes,
        Option<Box<Options>>,
    ) {
        (self.id, self.kind, self.headers, self.payload, self.options)
    }

    fn options_mut(&mut self) -> &mut Options {
        self.options.get_or_insert_default()
    }

    /// What can be checked without a queue.
    pub(crate) fn check(&self) -> Result<(), Error> {
        const MOST_THROTTLE_KEYS: usize = 8;
        let count = self.throttle_keys().len();
        if count > MOST_THROTTLE_KEYS {
            return Err(Error::TooLarge {
                what: "number of throttle keys",
                size: count,
                limit: MOST_THROTTLE_KEYS,
            });
        }
        if self.fingerprint().is_some() && self.idempotency_key().is_none() {
            return Err(Error::Invalid {
                what: "fingerprint",
                problem: "it stands without an idempotency key".to_owned(),
                allowed: "a fingerprint together with the key it belongs to",
            });
        }
        Ok(())
    }
}

impl fmt::Debug for NewMessage {
    /// Prints sizes, not content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("headers", &self.headers)
            .field("payload_bytes", &self.payload.len())
            .field("keyed", &self.idempotency_key().is_some())
            .field("deliver", &self.deliver())
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}
