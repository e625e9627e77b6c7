use bytes::Bytes;
use forebay_queue_core::{Message, QueueName};

use super::super::keys::{self, MessageKey};
use super::super::records::{self, Head};
use super::super::{Batch, Family, StorageError};
use super::Store;

impl Batch {
    /// Keeps a message and its payload.
    pub fn put_message(&mut self, queue: &QueueName, head: &Head, payload: &[u8]) -> &mut Self {
        let key = head.key(queue).encode();
        let stored = records::encode_payload(&key, payload);
        self.put(Family::Messages, key.clone(), head.encode(&key));
        self.put(Family::Payloads, key, stored)
    }

    /// Keeps what has changed about a message, whose payload is there already.
    pub fn update_message(&mut self, queue: &QueueName, head: &Head) -> &mut Self {
        let key = head.key(queue).encode();
        let value = head.encode(&key);
        self.put(Family::Messages, key, value)
    }

    /// Removes a message and its payload.
    pub fn delete_message(&mut self, queue: &QueueName, message: &Message) -> &mut Self {
        let key = MessageKey::of(queue, message).encode();
        self.delete(Family::Messages, key.clone());
        self.delete(Family::Payloads, key)
    }
}

impl Store {
    /// A message without its payload.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] or [`StorageError::UnknownVersion`] where it cannot be read, else as
    /// [`Storage::get`](super::super::Storage::get).
    pub fn message(&self, key: &MessageKey) -> Result<Option<Head>, StorageError> {
        let key = key.encode();
        let decode = |value: Vec<u8>| Head::decode(&key, &value).map(|(_, head)| head);
        self.get(Family::Messages, &key, decode)
    }

    /// The payload of a message, live or ended.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub fn payload(&self, key: &MessageKey) -> Result<Option<Bytes>, StorageError> {
        let key = key.encode();
        let decode = |value| records::decode_payload(&key, value);
        self.get(Family::Payloads, &key, decode)
    }

    /// Live messages of a queue by time and id; at most `limit`, behind `after`.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub fn messages(
        &self,
        queue: &QueueName,
        after: Option<&MessageKey>,
        limit: usize,
    ) -> Result<Vec<(MessageKey, Head)>, StorageError> {
        self.list(
            Family::Messages,
            keys::beginning_with(keys::of_queue(queue)),
            after.map(MessageKey::encode),
            limit,
            |(key, value)| Head::decode(&key, &value),
        )
    }
}
