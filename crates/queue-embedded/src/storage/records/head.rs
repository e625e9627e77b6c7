use std::sync::Arc;

use bytes::Bytes;
use forebay_queue_core::{
    ErrorRecord, FairnessKey, Fingerprint, Headers, IdempotencyKey, Kind, Message, MessageId,
    NewMessage, QueueName, ThrottleKey, Timestamp, Weight,
};
use forebay_queue_engine::{Live, Place};

use super::super::fields::{Reader, Writer};
use super::super::keys::MessageKey;
use super::super::{Family, seal};
use super::RecordError;

const KEY: u16 = 1;
const FINGERPRINT: u16 = 1 << 1;
const FAIRNESS: u16 = 1 << 2;
const WEIGHT: u16 = 1 << 3;
const DELIVER: u16 = 1 << 4;
const EXPIRES: u16 = 1 << 5;
const REDRIVEN: u16 = 1 << 6;
const SCHEDULED: u16 = 1 << 7;
const ALL: u16 = (1 << 8) - 1;

/// All of a live message but its payload.
///
/// Stored, version 1: flags u16 · sequence u64 · attempt u32 · place u64 · `published_at` u64 ·
/// kind · headers (count u8, each name and value) · \[idempotency key\] · \[fingerprint 32\] · \[fairness key\] ·
/// \[weight u16\] · throttle keys (count u8, each) · \[`deliver_at` u64\] · \[`expires_at` u64\] · \[`redriven_at` u64\] · errors
/// (count u8, each attempt u32, at u64, text).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The message; its payload is empty and kept apart.
    pub message: Arc<Message>,
    /// Order of acceptance.
    pub sequence: u64,
    /// Attempts begun and not refunded, without one that a lease counts.
    pub attempt: u32,
    /// Where it is when nobody holds it.
    pub place: Place,
    /// Failures, oldest first.
    pub errors: Vec<ErrorRecord>,
    /// When it was last brought back from the dead letters.
    pub redriven_at: Option<Timestamp>,
}

impl From<Live> for Head {
    fn from(live: Live) -> Self {
        Self {
            message: live.message,
            sequence: live.sequence,
            attempt: live.attempt,
            place: live.place,
            errors: live.errors,
            redriven_at: live.redriven_at,
        }
    }
}

impl From<Head> for Live {
    fn from(head: Head) -> Self {
        Self {
            message: head.message,
            sequence: head.sequence,
            attempt: head.attempt,
            place: head.place,
            errors: head.errors,
            redriven_at: head.redriven_at,
        }
    }
}

impl Head {
    /// The head of a message: ready since it was published, in its first attempt, without history and payload.
    pub fn new(message: &Message, sequence: u64) -> Self {
        Self {
            message: Arc::new(message.with_payload(Bytes::new())),
            sequence,
            attempt: 0,
            place: Place::Ready(message.published_at()),
            errors: Vec::new(),
            redriven_at: None,
        }
    }

    /// Where it is kept in a queue.
    pub fn key(&self, queue: &QueueName) -> MessageKey {
        MessageKey::of(queue, &self.message)
    }

    pub(in super::super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut body = Writer::with_capacity(128 + self.message.headers().size());
        self.write(&mut body);
        seal::close(Family::Messages, key, &body.finish())
    }

    pub(in super::super) fn decode(
        key: &[u8],
        value: &[u8],
    ) -> Result<(MessageKey, Self), RecordError> {
        let mut body = Reader::new(seal::open(Family::Messages, key, value)?);
        let key = MessageKey::decode(key)?;
        let head = Self::read(key.id, &mut body)?;
        body.end()?;
        if head.key(&key.queue) != key {
            return Err(RecordError::Invalid { what: "key" });
        }
        Ok((key, head))
    }

    pub(super) fn write(&self, body: &mut Writer) {
        let message = &self.message;
        let (flag, place) = match self.place {
            Place::Scheduled(due) => (SCHEDULED, due),
            Place::Ready(since) => (0, since),
        };
        body.u16(flags(message, self.redriven_at) | flag);
        body.u64(self.sequence).u32(self.attempt);
        body.u64(place.as_nanos());
        write_message(body, message);
        if let Some(at) = self.redriven_at {
            body.u64(at.as_nanos());
        }
        let errors = latest(&self.errors);
        body.u8(count(errors.len()));
        for error in errors {
            body.u32(error.attempt).u64(error.at.as_nanos());
            body.text(&error.error);
        }
    }

    pub(super) fn read(id: MessageId, body: &mut Reader<'_>) -> Result<Self, RecordError> {
        let flags = body.u16()?;
        if flags & !ALL != 0 {
            return Err(RecordError::Invalid { what: "flag" });
        }
        let (sequence, attempt) = (body.u64()?, body.u32()?);
        let place = time(body)?;
        let message = Arc::new(read_message(id, flags, body)?);
        let redriven_at = has(flags, REDRIVEN).then(|| time(body)).transpose()?;
        let mut errors = Vec::new();
        for _ in 0..body.u8()? {
            let (attempt, at) = (body.u32()?, time(body)?);
            errors.push(ErrorRecord::new(attempt, at, body.text()?));
        }
        Ok(Self {
            message,
            sequence,
            attempt,
            place: if has(flags, SCHEDULED) {
                Place::Scheduled(place)
            } else {
                Place::Ready(place)
            },
            errors,
            redriven_at,
        })
    }
}

/// As many as are kept.
fn latest(errors: &[ErrorRecord]) -> &[ErrorRecord] {
    &errors[errors.len().saturating_sub(ErrorRecord::MAX_COUNT)..]
}

fn flags(message: &Message, redriven_at: Option<Timestamp>) -> u16 {
    let flag = |is_there, flag| if is_there { flag } else { 0 };
    flag(message.idempotency_key().is_some(), KEY)
        | flag(message.fingerprint().is_some(), FINGERPRINT)
        | flag(*message.fairness_key() != FairnessKey::DEFAULT, FAIRNESS)
        | flag(message.weight().is_some(), WEIGHT)
        | flag(message.deliver_at().is_some(), DELIVER)
        | flag(message.expires_at().is_some(), EXPIRES)
        | flag(redriven_at.is_some(), REDRIVEN)
}

fn write_message(body: &mut Writer, message: &Message) {
    body.u64(message.published_at().as_nanos());
    body.text(message.kind().as_str());
    body.u8(count(message.headers().len()));
    for (name, value) in message.headers().iter() {
        body.text(name).text(value);
    }
    if let Some(key) = message.idempotency_key() {
        body.text(key.as_str());
    }
    if let Some(fingerprint) = message.fingerprint() {
        body.bytes(&fingerprint.0);
    }
    if *message.fairness_key() != FairnessKey::DEFAULT {
        body.text(message.fairness_key().as_str());
    }
    if let Some(weight) = message.weight() {
        body.u16(weight.get());
    }
    body.u8(count(message.throttle_keys().len()));
    for key in message.throttle_keys() {
        body.text(key.as_str());
    }
    if let Some(at) = message.deliver_at() {
        body.u64(at.as_nanos());
    }
    if let Some(at) = message.expires_at() {
        body.u64(at.as_nanos());
    }
}

/// The opposite of [`write_message`]: accepted again at the time at which it was, with times that are absolute already.
fn read_message(id: MessageId, flags: u16, body: &mut Reader<'_>) -> Result<Message, RecordError> {
    let invalid = |what| move |_| RecordError::Invalid { what };
    let published_at = time(body)?;
    let kind = Kind::new(body.text()?).map_err(invalid("kind"))?;
    let mut headers = Headers::new();
    for _ in 0..body.u8()? {
        let (name, value) = (body.text()?, body.text()?);
        headers.insert(name, value).map_err(invalid("header"))?;
    }
    let mut new = NewMessage::new(kind, Bytes::new()).with_headers(headers);
    if has(flags, KEY) {
        let key = IdempotencyKey::new(body.text()?).map_err(invalid("idempotency key"))?;
        new = new.with_idempotency_key(key);
    }
    if has(flags, FINGERPRINT) {
        new = new.with_fingerprint(Fingerprint(body.array()?));
    }
    if has(flags, FAIRNESS) {
        let key = FairnessKey::new(body.text()?).map_err(invalid("fairness key"))?;
        new = new.with_fairness_key(key);
    }
    if has(flags, WEIGHT) {
        new = new.with_weight(Weight::new(body.u16()?).map_err(invalid("weight"))?);
    }
    for _ in 0..body.u8()? {
        let key = ThrottleKey::new(body.text()?).map_err(invalid("throttle key"))?;
        new = new.with_throttle_key(key);
    }
    if has(flags, DELIVER) {
        new = new.with_deliver_at(time(body)?);
    }
    if has(flags, EXPIRES) {
        new = new.with_expires_at(time(body)?);
    }
    Ok(Message::accept(new, id, published_at))
}

/// Headers, throttle keys and errors have limits far below 256.
fn count(length: usize) -> u8 {
    u8::try_from(length).expect("the limits of counts are lower")
}

fn has(flags: u16, flag: u16) -> bool {
    flags & flag != 0
}

fn time(body: &mut Reader<'_>) -> Result<Timestamp, RecordError> {
    body.u64().map(Timestamp::from_nanos)
}
