//! The keys of rows.
//!
//! | family | key |
//! |---|---|
//! | messages, payloads | `{queue}:{published_at_ns}:{id}` |
//! | leases | `{queue}:{id}` |
//! | `lease_expiry` | `{until_ns}:{queue}:{id}` |
//! | queues | `{queue}` |
//! | state | `{key}` |
//! | dead, done | `{queue}:{number of the end}:{id}` |
//! | keys | `{queue}:{first 16 bytes of the key's SHA-256}` |
//!
//! Numbers are big-endian u64, strings have a u16 length before them, ids and hashes are 16 bytes, and `:` stands between
//! the parts. The length before a string keeps two names from running into one another: what belongs to one queue lies
//! together and apart from all else, and within it the order of keys is the order of time, then of id. So messages are added at one
//! end and mostly removed at the other, whosever they are: ADR 0016.

use std::fmt;
use std::ops::Range;

use forebay_queue_core::{Message, MessageId, QueueName, Timestamp};

use super::fields::{Reader, Writer};
use super::records::RecordError;

const SEPARATOR: u8 = b':';

pub use forebay_queue_engine::KeyHash;

/// Where a message and its payload are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageKey {
    /// Its queue.
    pub queue: QueueName,
    /// When the store accepted it.
    pub published_at: Timestamp,
    /// Its id.
    pub id: MessageId,
}

impl MessageKey {
    /// Of a message in a queue.
    pub fn of(queue: &QueueName, message: &Message) -> Self {
        Self {
            queue: queue.clone(),
            published_at: message.published_at(),
            id: message.id(),
        }
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = Writer::with_capacity(72);
        key.text(self.queue.as_str()).u8(SEPARATOR);
        key.u64(self.published_at.as_nanos()).u8(SEPARATOR);
        key.bytes(self.id.as_bytes());
        key.finish()
    }

    /// Back from the bytes.
    ///
    /// # Errors
    /// [`RecordError`] for anything that [`encode`](Self::encode) does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut key = Reader::new(bytes);
        let queue = queue_part(&mut key)?;
        separator(&mut key)?;
        let published_at = Timestamp::from_nanos(key.u64()?);
        separator(&mut key)?;
        let id = MessageId::from_bytes(key.array()?);
        key.end()?;
        Ok(Self {
            queue,
            published_at,
            id,
        })
    }
}

/// Where a lease is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseKey {
    /// The queue.
    pub queue: QueueName,
    /// The message.
    pub id: MessageId,
}

impl LeaseKey {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        lease(&self.queue, self.id)
    }

    /// Back from the bytes.
    ///
    /// # Errors
    /// [`RecordError`] for anything that [`encode`](Self::encode) does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut key = Reader::new(bytes);
        let queue = queue_part(&mut key)?;
        separator(&mut key)?;
        let id = MessageId::from_bytes(key.array()?);
        key.end()?;
        Ok(Self { queue, id })
    }
}

/// Where the end of a lease is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryKey {
    /// When the lease ends.
    pub until: Timestamp,
    /// The queue.
    pub queue: QueueName,
    /// The message.
    pub id: MessageId,
}

impl ExpiryKey {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        expiry(self.until, &self.queue, self.id)
    }

    /// Back from the bytes.
    ///
    /// # Errors
    /// [`RecordError`] for anything that [`encode`](Self::encode) does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut key = Reader::new(bytes);
        let until = Timestamp::from_nanos(key.u64()?);
        separator(&mut key)?;
        let queue = queue_part(&mut key)?;
        separator(&mut key)?;
        let id = MessageId::from_bytes(key.array()?);
        key.end()?;
        Ok(Self { until, queue, id })
    }
}

/// Where a message that has ended is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedKey {
    /// The queue.
    pub queue: QueueName,
    /// Which end it was, counted by the queue.
    pub number: u64,
    /// The message.
    pub id: MessageId,
}

impl EndedKey {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        ended(&self.queue, self.number, self.id)
    }

    /// Back from the bytes.
    ///
    /// # Errors
    /// [`RecordError`] for anything that [`encode`](Self::encode) does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut key = Reader::new(bytes);
        let queue = queue_part(&mut key)?;
        separator(&mut key)?;
        let number = key.u64()?;
        separator(&mut key)?;
        let id = MessageId::from_bytes(key.array()?);
        key.end()?;
        Ok(Self { queue, number, id })
    }
}

/// Where an idempotency key is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The queue.
    pub queue: QueueName,
    /// The key, hashed.
    pub hash: KeyHash,
}

impl KnownKey {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        known(&self.queue, &self.hash)
    }

    /// Back from the bytes.
    ///
    /// # Errors
    /// [`RecordError`] for anything that [`encode`](Self::encode) does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut key = Reader::new(bytes);
        let queue = queue_part(&mut key)?;
        separator(&mut key)?;
        let hash = key.array()?;
        key.end()?;
        Ok(Self { queue, hash })
    }
}

impl fmt::Debug for KnownKey {
    /// Leaves the hash out: short keys can be guessed from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownKey")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// The name of something in `state`: 1 to 512 bytes of UTF-8.
#[derive(Clone, PartialEq, Eq)]
pub struct StateKey(Box<str>);

impl StateKey {
    /// The most bytes of one.
    pub const MAX: usize = 512;

    /// A name.
    ///
    /// # Errors
    /// [`RecordError::Invalid`] for an empty or too long one.
    pub fn new(text: &str) -> Result<Self, RecordError> {
        if text.is_empty() || text.len() > Self::MAX {
            return Err(RecordError::Invalid { what: "state key" });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = Writer::with_capacity(2 + self.0.len());
        key.text(&self.0);
        key.finish()
    }

    /// Back from the bytes.
    ///
    /// # Errors
    /// [`RecordError`] for anything that [`encode`](Self::encode) does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut key = Reader::new(bytes);
        let text = key.text()?;
        key.end()?;
        Self::new(text)
    }
}

impl fmt::Debug for StateKey {
    /// Prints the length only: it may hold the name of a throttle key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateKey({} bytes)", self.0.len())
    }
}

/// The key of a queue's configuration.
pub fn queue(name: &QueueName) -> Vec<u8> {
    let mut key = Writer::with_capacity(2 + name.as_str().len());
    key.text(name.as_str());
    key.finish()
}

/// Back from the key of a queue's configuration.
///
/// # Errors
/// [`RecordError`] for anything that [`queue`] does not make.
pub fn queue_name(bytes: &[u8]) -> Result<QueueName, RecordError> {
    let mut key = Reader::new(bytes);
    let queue = queue_part(&mut key)?;
    key.end()?;
    Ok(queue)
}

/// What every key of a queue begins with, in all families but `lease_expiry`, `queues` and `state`.
pub fn of_queue(name: &QueueName) -> Vec<u8> {
    let mut key = Writer::with_capacity(40);
    key.text(name.as_str()).u8(SEPARATOR);
    key.finish()
}

/// All keys that begin so.
pub fn beginning_with(prefix: Vec<u8>) -> Range<Vec<u8>> {
    let mut end = prefix.clone();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    prefix..end
}

/// The first key that is later.
pub fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

pub(super) fn lease(queue: &QueueName, id: MessageId) -> Vec<u8> {
    let mut key = Writer::with_capacity(64);
    key.text(queue.as_str()).u8(SEPARATOR);
    key.bytes(id.as_bytes());
    key.finish()
}

pub(super) fn expiry(until: Timestamp, queue: &QueueName, id: MessageId) -> Vec<u8> {
    let mut key = Writer::with_capacity(72);
    key.u64(until.as_nanos()).u8(SEPARATOR);
    key.text(queue.as_str()).u8(SEPARATOR);
    key.bytes(id.as_bytes());
    key.finish()
}

pub(super) fn ended(queue: &QueueName, number: u64, id: MessageId) -> Vec<u8> {
    let mut key = Writer::with_capacity(72);
    key.text(queue.as_str()).u8(SEPARATOR);
    key.u64(number).u8(SEPARATOR);
    key.bytes(id.as_bytes());
    key.finish()
}

pub(super) fn known(queue: &QueueName, hash: &KeyHash) -> Vec<u8> {
    let mut key = Writer::with_capacity(64);
    key.text(queue.as_str()).u8(SEPARATOR);
    key.bytes(hash);
    key.finish()
}

fn queue_part(key: &mut Reader<'_>) -> Result<QueueName, RecordError> {
    QueueName::new(key.text()?).map_err(|_| RecordError::Invalid { what: "queue name" })
}

fn separator(key: &mut Reader<'_>) -> Result<(), RecordError> {
    if key.u8()? == SEPARATOR {
        return Ok(());
    }
    Err(RecordError::Invalid { what: "separator" })
}
