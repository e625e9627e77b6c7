use forebay_queue_core::{MessageId, QueueName, Timestamp};

use super::super::keys::{self, ExpiryKey, LeaseKey};
use super::super::records::{self, Lease, RecordError};
use super::super::{Batch, Family, StorageError};
use super::Store;

/// A lease that has ended, and the message that it held.
pub type ExpiredLease = ExpiryKey;

impl Batch {
    /// Keeps a lease, and when it ends. `replaced` is the lease that the message had before: its end goes.
    pub fn put_lease(
        &mut self,
        queue: &QueueName,
        id: MessageId,
        lease: &Lease,
        replaced: Option<&Lease>,
    ) -> &mut Self {
        if let Some(replaced) = replaced.filter(|replaced| replaced.until != lease.until) {
            self.delete(Family::LeaseExpiry, keys::expiry(replaced.until, queue, id));
        }
        let key = keys::lease(queue, id);
        let value = lease.encode(&key);
        self.put(Family::Leases, key, value);
        let expiry = keys::expiry(lease.until, queue, id);
        // Nothing but a checksum, so that a damaged key does not pass for another one.
        let value = records::encode_bytes(Family::LeaseExpiry, &expiry, &[]);
        self.put(Family::LeaseExpiry, expiry, value)
    }

    /// Removes a lease that lasts until then, and when it ends.
    pub fn delete_lease(
        &mut self,
        queue: &QueueName,
        id: MessageId,
        until: Timestamp,
    ) -> &mut Self {
        self.delete(Family::Leases, keys::lease(queue, id));
        self.delete(Family::LeaseExpiry, keys::expiry(until, queue, id))
    }
}

impl Store {
    /// The lease of a message.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn lease(&self, queue: &QueueName, id: MessageId) -> Result<Option<Lease>, StorageError> {
        let key = keys::lease(queue, id);
        let decode = |value: Vec<u8>| Lease::decode(&key, &value).map(|(_, lease)| lease);
        self.get(Family::Leases, &key, decode)
    }

    /// The leases of a queue by id; at most `limit`, behind `after`.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn leases(
        &self,
        queue: &QueueName,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<(MessageId, Lease)>, StorageError> {
        let decode = |(key, value): (Vec<u8>, Vec<u8>)| {
            let (LeaseKey { id, .. }, lease) = Lease::decode(&key, &value)?;
            Ok((id, lease))
        };
        self.list(
            Family::Leases,
            keys::beginning_with(keys::of_queue(queue)),
            after.map(|id| keys::lease(queue, id)),
            limit,
            decode,
        )
    }

    /// Leases of all queues that ended before `before`, the earliest first; at most `limit`. They stay until they are
    /// deleted.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn expired_leases(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExpiredLease>, StorageError> {
        let decode = |(key, value): (Vec<u8>, Vec<u8>)| {
            let rest = records::decode_bytes(Family::LeaseExpiry, &key, &value)?;
            if !rest.is_empty() {
                return Err(RecordError::Long);
            }
            ExpiryKey::decode(&key)
        };
        let range = Vec::new()..before.as_nanos().to_be_bytes().to_vec();
        self.list(Family::LeaseExpiry, range, None, limit, decode)
    }
}
