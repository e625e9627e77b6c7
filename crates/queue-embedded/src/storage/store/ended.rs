use forebay_queue_core::{Message, MessageId, QueueName, State};

use super::super::keys::{self, EndedKey, KeyHash, KnownKey, MessageKey};
use super::super::records::{self, Ended, Head, Known};
use super::super::{Batch, Family, StorageError};
use super::Store;

impl Batch {
    /// A live message has ended and is kept: a dead letter, or one that was acked, cancelled or has expired. `number`
    /// counts the ends of the queue. Its payload stays where it is.
    ///
    /// # Panics
    /// When the state is none of those.
    pub fn end_message(&mut self, queue: &QueueName, number: u64, ended: &Ended) -> &mut Self {
        let key = keys::ended(queue, number, ended.head.message.id());
        let value = ended.encode(&key);
        self.delete(Family::Messages, ended.head.key(queue).encode());
        self.put(ended.family(), key, value)
    }

    /// A dead letter is a live message again: `head` is what it is now. Its payload stays where it is.
    pub fn redrive_message(&mut self, queue: &QueueName, number: u64, head: &Head) -> &mut Self {
        let key = keys::ended(queue, number, head.message.id());
        self.delete(Family::Dead, key);
        self.update_message(queue, head)
    }

    /// Removes a message that has ended, and its payload.
    pub fn delete_ended(
        &mut self,
        queue: &QueueName,
        number: u64,
        state: State,
        message: &Message,
    ) -> &mut Self {
        let key = keys::ended(queue, number, message.id());
        self.delete(family(state), key);
        self.delete(Family::Payloads, MessageKey::of(queue, message).encode())
    }

    /// Keeps what an idempotency key stands for.
    pub fn put_key(&mut self, queue: &QueueName, hash: &KeyHash, known: &Known) -> &mut Self {
        let key = keys::known(queue, hash);
        let value = records::encode_known(known, &key);
        self.put(Family::Keys, key, value)
    }

    /// Forgets an idempotency key.
    pub fn delete_key(&mut self, queue: &QueueName, hash: &KeyHash) -> &mut Self {
        self.delete(Family::Keys, keys::known(queue, hash))
    }
}

impl Store {
    /// A message that has ended: a dead letter where `state` is dead, else one of those kept for `retain_done`.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn ended(
        &self,
        queue: &QueueName,
        state: State,
        number: u64,
        id: MessageId,
    ) -> Result<Option<Ended>, StorageError> {
        let family = family(state);
        let key = keys::ended(queue, number, id);
        let decode = |value: Vec<u8>| Ended::decode(family, &key, &value).map(|(_, ended)| ended);
        self.get(family, &key, decode)
    }

    /// Dead letters, or those kept for `retain_done`, with their numbers, in the order in which they ended; at most
    /// `limit`, of later numbers than `after`.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn all_ended(
        &self,
        queue: &QueueName,
        state: State,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Ended)>, StorageError> {
        let family = family(state);
        let decode = |(key, value): (Vec<u8>, Vec<u8>)| {
            let (EndedKey { number, .. }, ended) = Ended::decode(family, &key, &value)?;
            Ok((number, ended))
        };
        let last = MessageId::from_bytes([u8::MAX; 16]);
        self.list(
            family,
            keys::beginning_with(keys::of_queue(queue)),
            after.map(|number| keys::ended(queue, number, last)),
            limit,
            decode,
        )
    }

    /// What an idempotency key stands for.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn key(&self, queue: &QueueName, hash: &KeyHash) -> Result<Option<Known>, StorageError> {
        let key = keys::known(queue, hash);
        let decode = |value: Vec<u8>| records::decode_known(&key, &value).map(|(_, known)| known);
        self.get(Family::Keys, &key, decode)
    }

    /// The idempotency keys of a queue by hash; at most `limit`, behind `after`.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn keys(
        &self,
        queue: &QueueName,
        after: Option<&KeyHash>,
        limit: usize,
    ) -> Result<Vec<(KeyHash, Known)>, StorageError> {
        let decode = |(key, value): (Vec<u8>, Vec<u8>)| {
            let (KnownKey { hash, .. }, known) = records::decode_known(&key, &value)?;
            Ok((hash, known))
        };
        self.list(
            Family::Keys,
            keys::beginning_with(keys::of_queue(queue)),
            after.map(|hash| keys::known(queue, hash)),
            limit,
            decode,
        )
    }
}

fn family(state: State) -> Family {
    match state {
        State::Dead => Family::Dead,
        _ => Family::Done,
    }
}
