use forebay_queue_core::{FairnessKey, QueueName, ThrottleKey};
use forebay_queue_engine::{Level, Share};

use super::super::keys::StateKey;
use super::super::records::{self, RecordError};
use super::super::{Batch, Family, StorageError};
use super::Store;

/// How many states are read at once.
const PAGE: usize = 1_000;

const SHARE: &str = "share/";
const BUCKET: &str = "bucket/";
const PAUSED: &str = "paused";
const DEAD_DROPPED: &str = "dead-dropped";

/// What is kept about a queue besides its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// The share of a fairness key.
    Share(FairnessKey, Share),
    /// A token bucket.
    Bucket(ThrottleKey, Level),
    /// Hand-outs are stopped.
    Paused,
    /// How many dead letters were dropped in all.
    DeadDropped(u64),
}

impl Batch {
    /// Keeps the share of a fairness key; the default is not kept.
    pub fn put_share(&mut self, queue: &QueueName, key: &FairnessKey, share: Share) -> &mut Self {
        let name = state_key(queue, SHARE, key.as_str());
        if share == Share::default() {
            return self.delete_state(&name);
        }
        self.put_state(&name, &records::encode_share(share))
    }

    /// Keeps a token bucket, or removes it.
    pub fn put_bucket(
        &mut self,
        queue: &QueueName,
        key: &ThrottleKey,
        level: Option<&Level>,
    ) -> &mut Self {
        let name = state_key(queue, BUCKET, key.as_str());
        match level {
            Some(level) => self.put_state(&name, &records::encode_level(level)),
            None => self.delete_state(&name),
        }
    }

    /// Keeps that hand-outs are stopped, or that they go on.
    pub fn put_paused(&mut self, queue: &QueueName, paused: bool) -> &mut Self {
        let name = state_key(queue, PAUSED, "");
        if paused {
            self.put_state(&name, &[])
        } else {
            self.delete_state(&name)
        }
    }

    /// Keeps how many dead letters were dropped.
    pub fn put_dead_dropped(&mut self, queue: &QueueName, dropped: u64) -> &mut Self {
        let name = state_key(queue, DEAD_DROPPED, "");
        self.put_state(&name, &dropped.to_be_bytes())
    }
}

impl Store {
    /// What is kept about the queues besides their messages. States of other names are left out.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub fn queue_states(&self) -> Result<Vec<(QueueName, QueueState)>, StorageError> {
        let mut found = Vec::new();
        self.for_each_state(|key, bytes| {
            let state = read(key, bytes).map_err(|e| self.unreadable(Family::State, e))?;
            found.extend(state);
            Ok(())
        })?;
        Ok(found)
    }

    /// Removes what is kept about a queue besides its messages.
    ///
    /// # Errors
    /// As [`Store::message`].
    pub(super) fn delete_queue_states(
        &self,
        queue: &QueueName,
        batch: &mut Batch,
    ) -> Result<(), StorageError> {
        let prefix = format!("{queue}/");
        self.for_each_state(|key, _| {
            if key.as_str().starts_with(&prefix) {
                batch.delete_state(key);
            }
            Ok(())
        })
    }

    fn for_each_state(
        &self,
        mut see: impl FnMut(&StateKey, &[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut after = None;
        loop {
            let page = self.states(after.as_ref(), PAGE)?;
            for (key, bytes) in &page {
                see(key, bytes)?;
            }
            match page.into_iter().last() {
                Some((key, _)) => after = Some(key),
                None => return Ok(()),
            }
        }
    }
}

/// `{queue}/{what}{key}`: no name of a queue has a slash.
fn state_key(queue: &QueueName, what: &str, key: &str) -> StateKey {
    StateKey::new(&format!("{queue}/{what}{key}")).expect("the limits of names and keys are lower")
}

fn read(key: &StateKey, bytes: &[u8]) -> Result<Option<(QueueName, QueueState)>, RecordError> {
    let invalid = |what| RecordError::Invalid { what };
    let Some((queue, what)) = key.as_str().split_once('/') else {
        return Ok(None);
    };
    let Ok(queue) = QueueName::new(queue) else {
        return Ok(None);
    };
    let state = if let Some(key) = what.strip_prefix(SHARE) {
        let key = FairnessKey::new(key).map_err(|_| invalid("fairness key"))?;
        QueueState::Share(key, records::decode_share(bytes)?)
    } else if let Some(key) = what.strip_prefix(BUCKET) {
        let key = ThrottleKey::new(key).map_err(|_| invalid("throttle key"))?;
        QueueState::Bucket(key, records::decode_level(bytes)?)
    } else if what == PAUSED {
        QueueState::Paused
    } else if what == DEAD_DROPPED {
        let dropped = bytes.try_into().map_err(|_| invalid("number"))?;
        QueueState::DeadDropped(u64::from_be_bytes(dropped))
    } else {
        return Ok(None);
    };
    Ok(Some((queue, state)))
}
