//! What is stored of a message, byte for byte. The scripts read and write the head (`lua/lib.lua`); the body, from the
//! kind on, is this file's alone.
//!
//! A stream entry has the entry in the field `m`. One that was published plain has zeros for sequence and
//! `published_at`: they follow from its place in the stream, and the server stores it as its sender made it.
//!
//! Entry, version 1, big-endian: version u8 · flags u8 (1 key, 2 fingerprint) · attempt u32 (deliveries counted so far) ·
//! id 16 · sequence u64 · `published_at` u64 · `deliver_at` u64 (0 none) · `expires_at` u64 (0 none) · `redriven_at` u64 (0
//! none), all in microseconds · \[key's hash 16\] · \[fingerprint 32\] · length of the errors u32 · errors (each attempt u32,
//! at u64, length u16, text) · body.
//!
//! Body: flags u8 · kind (u8 length) · \[headers: count u8, each name u8 length, value u16 length\] · \[key u16 length\] ·
//! \[fairness key u16 length\] · \[weight u16\] · \[throttle keys: count u8, each u16 length\] · payload (u32 length).

use std::time::Duration;

use bytes::Bytes;
use forebay_queue_core::{
    ErrorRecord, FairnessKey, Fingerprint, Headers, IdempotencyKey, Kind, Message, MessageId,
    Moment, NewMessage, State, ThrottleKey, Timestamp, Weight,
};
use sha2::{Digest, Sha256};

use crate::receipt::StreamId;

const VERSION: u8 = 1;

const KEYED: u8 = 1;
const FINGERPRINTED: u8 = 2;
/// Flags of a new head alone.
const DELIVER: u8 = 4;
const EXPIRES: u8 = 8;

const HAS_HEADERS: u8 = 1;
const HAS_KEY: u8 = 2;
const HAS_FAIRNESS: u8 = 4;
const HAS_WEIGHT: u8 = 8;
const HAS_THROTTLES: u8 = 16;

/// The latest time that the scripts can count with, which stands for [`Timestamp::MAX`].
const NEVER: u64 = (1 << 53) - 1;

/// The first half of a SHA-256: the key itself is in the body of its message only.
pub(crate) type KeyHash = [u8; 16];

/// The hash under which a key is known.
pub(crate) fn key_hash(key: &IdempotencyKey) -> KeyHash {
    let digest = Sha256::digest(key.as_str().as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// A time from the server's microseconds.
pub(crate) fn timestamp(micros: u64) -> Timestamp {
    match micros {
        NEVER.. => Timestamp::MAX,
        _ => Timestamp::from_nanos(micros.saturating_mul(1_000)),
    }
}

/// A span in whole microseconds, never shorter than it is.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000)).map_or(NEVER, |micros| micros.min(NEVER))
}

fn micros_of(at: Timestamp) -> u64 {
    match at {
        Timestamp::MAX => NEVER,
        _ => at.as_nanos().div_ceil(1_000).min(NEVER),
    }
}

/// What stands before the body of an entry without keys and errors.
const HEAD_BYTES: usize = 66;

/// A new message as the publish script takes it.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) id: MessageId,
    /// What the server has to make an entry of; `None` where its order and its time are all that it adds.
    pub(crate) head: Option<Vec<u8>>,
    /// A whole entry, with zeros where the server knows better.
    pub(crate) value: Vec<u8>,
}

impl NewEntry {
    /// Of a message and the id that it is to have.
    pub(crate) fn new(message: &NewMessage, id: MessageId) -> Self {
        let mut value = Vec::with_capacity(HEAD_BYTES + message.size() + 64);
        value.extend_from_slice(&[VERSION, 0, 0, 0, 0, 0]);
        value.extend_from_slice(id.as_bytes());
        value.resize(HEAD_BYTES, 0);
        put_body(&mut value, message);
        Self {
            id,
            head: new_head(message, id),
            value,
        }
    }

    /// From the kind on.
    pub(crate) fn body(&self) -> &[u8] {
        &self.value[HEAD_BYTES..]
    }
}

/// Id, flags, times, the key's hash and the fingerprint; `None` where there is nothing to say but the id.
fn new_head(message: &NewMessage, id: MessageId) -> Option<Vec<u8>> {
    let times = [(message.deliver(), DELIVER), (message.expires(), EXPIRES)];
    let mut flags = 0;
    for (moment, flag) in times {
        flags |= moment.map_or(0, |_| flag);
    }
    let key = message.idempotency_key();
    flags |= key.map_or(0, |_| KEYED);
    flags |= message.fingerprint().map_or(0, |_| FINGERPRINTED);
    if flags == 0 {
        return None;
    }
    let mut head = id.as_bytes().to_vec();
    head.push(flags);
    for (moment, _) in times {
        let (mode, time) = match moment {
            None => continue,
            Some(Moment::At(at)) => (1, micros_of(at)),
            Some(Moment::After(span)) => (2, micros(span)),
        };
        head.push(mode);
        head.extend_from_slice(&time.to_be_bytes());
    }
    if let Some(key) = key {
        head.extend_from_slice(&key_hash(key));
    }
    if let Some(fingerprint) = message.fingerprint() {
        head.extend_from_slice(&fingerprint.0);
    }
    Some(head)
}

fn put_body(out: &mut Vec<u8>, message: &NewMessage) {
    let fairness = Some(message.fairness_key()).filter(|key| **key != FairnessKey::DEFAULT);
    let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
    out.push(
        flag(!message.headers().is_empty(), HAS_HEADERS)
            | flag(message.idempotency_key().is_some(), HAS_KEY)
            | flag(fairness.is_some(), HAS_FAIRNESS)
            | flag(message.weight().is_some(), HAS_WEIGHT)
            | flag(!message.throttle_keys().is_empty(), HAS_THROTTLES),
    );
    put_short(out, message.kind().as_str());
    if !message.headers().is_empty() {
        put_count(out, message.headers().len());
        for (name, value) in message.headers().iter() {
            put_short(out, name);
            put_long(out, value);
        }
    }
    if let Some(key) = message.idempotency_key() {
        put_long(out, key.as_str());
    }
    if let Some(key) = fairness {
        put_long(out, key.as_str());
    }
    if let Some(weight) = message.weight() {
        out.extend_from_slice(&weight.get().to_be_bytes());
    }
    if !message.throttle_keys().is_empty() {
        put_count(out, message.throttle_keys().len());
        for key in message.throttle_keys() {
            put_long(out, key.as_str());
        }
    }
    let length = u32::try_from(message.payload().len()).expect("a payload has at most 2^32 bytes");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message.payload());
}

/// Names have at most 100 bytes.
fn put_short(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Headers, throttle keys and the bytes of a name are fewer than 256 by the contract.
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.push(u8::try_from(count).expect("the contract bounds it"));
}

/// Header values and keys have at most 8 KiB.
fn put_long(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("the contract bounds it");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Why stored bytes cannot be read. Says nothing of what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryError {
    /// Written by another version.
    #[error("its version is {0}, and only 1 is known")]
    Version(u8),
    /// Fewer bytes than it says.
    #[error("it ends too early")]
    Short,
    /// Bytes behind its end.
    #[error("it goes on behind its end")]
    Long,
    /// Something in it that the contract does not allow.
    #[error("its {0} is none")]
    Invalid(&'static str),
}

/// A stored message.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) message: Message,
    /// Deliveries counted before this one.
    pub(crate) attempt: u32,
    /// When it was last brought back from the dead letters.
    pub(crate) redriven_at: Option<Timestamp>,
    /// Failures, oldest first.
    pub(crate) errors: Vec<ErrorRecord>,
}

/// Puts sequence and `published_at` into an entry that has zeros there.
pub(crate) fn complete(mut value: Vec<u8>, place: StreamId) -> Vec<u8> {
    if let Some(numbers) = value.get_mut(22..38).filter(|n| **n == [0; 16]) {
        let published = place.millis.saturating_mul(1_000);
        let sequence = published.saturating_add(place.sequence.min(999));
        numbers[..8].copy_from_slice(&sequence.to_be_bytes());
        numbers[8..].copy_from_slice(&published.to_be_bytes());
    }
    value
}

impl Entry {
    /// Reads an entry. The payload shares the bytes.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, EntryError> {
        let mut reader = Reader { bytes, at: 0 };
        let version = reader.u8()?;
        if version != VERSION {
            return Err(EntryError::Version(version));
        }
        let flags = reader.u8()?;
        let attempt = reader.u32()?;
        let id = MessageId::from_bytes(reader.array()?);
        let _sequence = reader.u64()?;
        let published_at = timestamp(reader.u64()?);
        let deliver_at = reader.time()?;
        let expires_at = reader.time()?;
        let redriven_at = reader.time()?;
        if flags & KEYED != 0 {
            reader.array::<16>()?;
        }
        let fingerprint = match flags & FINGERPRINTED {
            0 => None,
            _ => Some(Fingerprint(reader.array()?)),
        };
        let errors = reader.errors()?;
        let mut new = reader.body()?;
        if let Some(at) = deliver_at {
            new = new.with_deliver_at(at);
        }
        if let Some(at) = expires_at {
            new = new.with_expires_at(at);
        }
        if let Some(fingerprint) = fingerprint {
            new = new.with_fingerprint(fingerprint);
        }
        Ok(Self {
            message: Message::accept(new, id, published_at),
            attempt,
            redriven_at,
            errors,
        })
    }

    /// The latest of published, `deliver_at` and redriven.
    pub(crate) fn age_from(&self) -> Timestamp {
        let published = self.message.published_at();
        let due = self.message.deliver_at().unwrap_or(published);
        published
            .max(due)
            .max(self.redriven_at.unwrap_or(published))
    }
}

/// A message that has ended and is still kept: state u8 (1 done, 2 cancelled, 3 expired, 4 dead) · `ended_at` u64 · entry.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "as the contract names it")]
pub(crate) struct Ended {
    pub(crate) state: State,
    pub(crate) ended_at: Timestamp,
    pub(crate) entry: Entry,
}

impl Ended {
    /// Reads the record of an ended message.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, EntryError> {
        let mut reader = Reader { bytes, at: 0 };
        let state = match reader.u8()? {
            1 => State::Done,
            2 => State::Cancelled,
            3 => State::Expired,
            4 => State::Dead,
            _ => return Err(EntryError::Invalid("state")),
        };
        let ended_at = timestamp(reader.u64()?);
        Ok(Self {
            state,
            ended_at,
            entry: Entry::decode(&bytes.slice(reader.at..))?,
        })
    }
}

struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let rest = self.bytes.get(self.at..).ok_or(EntryError::Short)?;
        let (array, _) = rest.split_first_chunk::<N>().ok_or(EntryError::Short)?;
        self.at += N;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, EntryError> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, EntryError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, EntryError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, EntryError> {
        self.array().map(u64::from_be_bytes)
    }

    fn time(&mut self) -> Result<Option<Timestamp>, EntryError> {
        let micros = self.u64()?;
        Ok((micros > 0).then(|| timestamp(micros)))
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], EntryError> {
        let end = self.at.checked_add(length).ok_or(EntryError::Short)?;
        let slice = self.bytes.get(self.at..end).ok_or(EntryError::Short)?;
        self.at = end;
        Ok(slice)
    }

    fn text(&mut self, length: usize, what: &'static str) -> Result<&str, EntryError> {
        let slice = self.slice(length)?;
        std::str::from_utf8(slice).map_err(|_| EntryError::Invalid(what))
    }

    fn short(&mut self, what: &'static str) -> Result<&str, EntryError> {
        let length = usize::from(self.u8()?);
        self.text(length, what)
    }

    fn long(&mut self, what: &'static str) -> Result<&str, EntryError> {
        let length = usize::from(self.u16()?);
        self.text(length, what)
    }

    fn errors(&mut self) -> Result<Vec<ErrorRecord>, EntryError> {
        let length = self.u32()? as usize;
        if length == 0 {
            return Ok(Vec::new());
        }
        let end = self.at.checked_add(length).ok_or(EntryError::Short)?;
        let mut errors = Vec::new();
        while self.at < end {
            let attempt = self.u32()?;
            let at = timestamp(self.u64()?);
            errors.push(ErrorRecord::new(attempt, at, self.long("error")?));
        }
        if self.at == end {
            Ok(errors)
        } else {
            Err(EntryError::Invalid("history"))
        }
    }

    fn body(&mut self) -> Result<NewMessage, EntryError> {
        let flags = self.u8()?;
        let kind = self.short("kind")?;
        let kind = Kind::new(kind).map_err(|_| EntryError::Invalid("kind"))?;
        let headers = match flags & HAS_HEADERS {
            0 => Headers::new(),
            _ => self.headers()?,
        };
        // The payload is the last thing there, and a message is made with it.
        let mut options: Vec<Box<dyn FnOnce(NewMessage) -> NewMessage>> = Vec::new();
        if flags & HAS_KEY != 0 {
            let key = IdempotencyKey::new(self.long("key")?);
            let key = key.map_err(|_| EntryError::Invalid("key"))?;
            options.push(Box::new(|new| new.with_idempotency_key(key)));
        }
        if flags & HAS_FAIRNESS != 0 {
            let key = FairnessKey::new(self.long("fairness key")?);
            let key = key.map_err(|_| EntryError::Invalid("fairness key"))?;
            options.push(Box::new(|new| new.with_fairness_key(key)));
        }
        if flags & HAS_WEIGHT != 0 {
            let weight = Weight::new(self.u16()?).map_err(|_| EntryError::Invalid("weight"))?;
            options.push(Box::new(move |new| new.with_weight(weight)));
        }
        if flags & HAS_THROTTLES != 0 {
            for _ in 0..self.u8()? {
                let key = ThrottleKey::new(self.long("throttle key")?);
                let key = key.map_err(|_| EntryError::Invalid("throttle key"))?;
                options.push(Box::new(|new| new.with_throttle_key(key)));
            }
        }
        let length = self.u32()? as usize;
        let begin = self.at;
        self.slice(length)?;
        if self.at != self.bytes.len() {
            return Err(EntryError::Long);
        }
        let new = NewMessage::new(kind, self.bytes.slice(begin..)).with_headers(headers);
        Ok(options.into_iter().fold(new, |new, option| option(new)))
    }

    fn headers(&mut self) -> Result<Headers, EntryError> {
        let invalid = |_| EntryError::Invalid("header");
        let mut headers = Headers::new();
        for _ in 0..self.u8()? {
            let name = self.short("header name")?.to_owned();
            let value = self.long("header value")?;
            headers.insert(name, value).map_err(invalid)?;
        }
        Ok(headers)
    }
}

#[cfg(test)]
#[path = "entry/tests.rs"]
mod tests;
