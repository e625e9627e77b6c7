use super::super::keys::StateKey;
use super::super::{Batch, Family, StorageError, records};
use super::Store;

impl Batch {
    /// Keeps bytes under a name.
    pub fn put_state(&mut self, key: &StateKey, bytes: &[u8]) -> &mut Self {
        let key = key.encode();
        let value = records::encode_bytes(Family::State, &key, bytes);
        self.put(Family::State, key, value)
    }

    /// Removes what is kept under a name.
    pub fn delete_state(&mut self, key: &StateKey) -> &mut Self {
        self.delete(Family::State, key.encode())
    }
}

impl Store {
    /// What is kept under a name.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn state(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StorageError> {
        let key = key.encode();
        let decode = |value: Vec<u8>| records::decode_bytes(Family::State, &key, &value);
        self.get(Family::State, &key, decode)
    }

    /// Everything that is kept by name, shorter names first, then by name; at most `limit`, behind `after`.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn states(
        &self,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<(StateKey, Vec<u8>)>, StorageError> {
        let decode = |(key, value): (Vec<u8>, Vec<u8>)| {
            let bytes = records::decode_bytes(Family::State, &key, &value)?;
            Ok((StateKey::decode(&key)?, bytes))
        };
        self.list(
            Family::State,
            // No key is that long.
            Vec::new()..vec![u8::MAX; 2],
            after.map(StateKey::encode),
            limit,
            decode,
        )
    }
}
