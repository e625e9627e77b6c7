use forebay_queue_core::{Durability, QueueConfig, QueueName};

use super::super::{Batch, Family, StorageError, keys, records};
use super::Store;

/// How many leases are read at once when a queue is removed.
const PAGE: usize = 1_000;

/// The families whose keys begin with the queue.
const OF_QUEUE: [Family; 6] = [
    Family::Messages,
    Family::Payloads,
    Family::Leases,
    Family::Dead,
    Family::Done,
    Family::Keys,
];

impl Batch {
    /// Keeps a queue's configuration.
    pub fn put_queue(&mut self, queue: &QueueName, config: &QueueConfig) -> &mut Self {
        let key = keys::queue(queue);
        let value = records::encode_queue(&key, config);
        self.put(Family::Queues, key, value)
    }

    /// Removes a queue's configuration, and nothing else: [`Store::remove_queue`] removes all of it.
    pub fn delete_queue(&mut self, queue: &QueueName) -> &mut Self {
        self.delete(Family::Queues, keys::queue(queue))
    }
}

impl Store {
    /// A queue's configuration.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn queue(&self, queue: &QueueName) -> Result<Option<QueueConfig>, StorageError> {
        let key = keys::queue(queue);
        let decode = |value: Vec<u8>| records::decode_queue(&key, &value).map(|(_, config)| config);
        self.get(Family::Queues, &key, decode)
    }

    /// The queues, shorter names first, then by name; at most `limit`, behind `after`.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn queues(
        &self,
        after: Option<&QueueName>,
        limit: usize,
    ) -> Result<Vec<(QueueName, QueueConfig)>, StorageError> {
        self.list(
            Family::Queues,
            // No key is that long.
            Vec::new()..vec![u8::MAX; 2],
            after.map(keys::queue),
            limit,
            |(key, value)| records::decode_queue(&key, &value),
        )
    }

    /// Removes a queue and all that is kept of it, in one step.
    ///
    /// # Errors
    /// As [`Storage::write`](super::super::Storage::write) and [`Store::leases`].
    pub fn remove_queue(
        &self,
        queue: &QueueName,
        durability: Durability,
    ) -> Result<(), StorageError> {
        let mut batch = Batch::new();
        let mut after = None;
        // Ends of leases lie by time, so each has to be named.
        loop {
            let page = self.leases(queue, after, PAGE)?;
            for (id, lease) in &page {
                batch.delete_lease(queue, *id, lease.until);
            }
            match page.last() {
                Some((id, _)) if page.len() == PAGE => after = Some(*id),
                _ => break,
            }
        }
        let range = keys::beginning_with(keys::of_queue(queue));
        for family in OF_QUEUE {
            batch.delete_range(family, range.start.clone(), range.end.clone());
        }
        batch.delete_queue(queue);
        self.delete_queue_states(queue, &mut batch)?;
        self.write(&batch, durability)
    }
}
