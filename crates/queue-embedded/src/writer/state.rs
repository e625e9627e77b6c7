use std::sync::Arc;
use std::time::Instant;

use forebay_queue_core::{Durability, Error, Health, QueueConfig, QueueName};
use forebay_queue_engine::Engine;

use super::{Condition, RETRY_DOWN, Writer, interrupted, unavailable};
use crate::line::{Lease, Line, LineId};
use crate::options::Sync;
use crate::recovery::recover;
use crate::rows::{NewPayloads, Rows};
use crate::storage::keys::StateKey;
use crate::storage::{Batch, StorageError, Store};

/// How much room health looks for, at least and at most.
const LEAST_ROOM: usize = 64 << 10;
const MOST_ROOM: usize = 1 << 20;

impl Writer {
    /// Takes up what is in a store that was just opened. Those who wait for a queue go on waiting for it.
    pub(super) fn take_up(&mut self, store: &Store) -> Result<(), StorageError> {
        let queues = recover(store, &self.environment)?;
        self.payloads.clear();
        self.owed = Batch::new().settling();
        self.full = None;
        let mut before = std::mem::take(&mut self.names);
        for (name, engine) in queues {
            match before.remove(&name) {
                Some(id) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.replace(engine);
                    }
                    self.names.insert(name, id);
                }
                None => drop(self.add(name, engine)),
            }
        }
        for id in before.into_values() {
            self.lines.remove(&id);
        }
        Ok(())
    }

    fn add(&mut self, name: QueueName, engine: Engine) -> LineId {
        let id = LineId(self.next_line);
        self.next_line += 1;
        self.lines.insert(id, Line::new(name.clone(), engine));
        self.names.insert(name, id);
        id
    }

    /// The store, opened again where that is due, and with what is owed to it written.
    pub(super) fn usable(&mut self) -> Result<Store, Arc<StorageError>> {
        match &self.condition {
            Condition::Down { error, next_try } if *next_try > Instant::now() => {
                Err(Arc::clone(error))
            }
            Condition::Down { .. } => self.open_again(),
            Condition::Open(store) => {
                let store = store.clone();
                self.pay(&store)?;
                Ok(store)
            }
        }
    }

    fn pay(&mut self, store: &Store) -> Result<(), Arc<StorageError>> {
        if self.owed.is_empty() {
            return Ok(());
        }
        let owed = std::mem::take(&mut self.owed);
        let durability = self.durability();
        let Err(error) = self.write(store, &owed, durability).map_err(Arc::new) else {
            return Ok(());
        };
        if error.is_full() {
            self.owed = owed;
        } else {
            self.fail(Arc::clone(&error));
        }
        Err(error)
    }

    fn open_again(&mut self) -> Result<Store, Arc<StorageError>> {
        let opened = (self.opener)();
        let opened = opened.and_then(|store| self.take_up(&store).map(|()| store));
        match opened {
            Ok(store) => {
                tracing::info!(directory = %self.options.path.display(), "the store is open again");
                self.condition = Condition::Open(store.clone());
                Ok(store)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.condition = Condition::Down {
                    error: Arc::clone(&error),
                    next_try: Instant::now() + RETRY_DOWN,
                };
                Err(error)
            }
        }
    }

    /// What has happened and could not be written for want of room is kept to go first.
    pub(super) fn owe(&mut self, batch: Batch) {
        self.owed.append(batch);
        self.owed.set_settling(true);
    }

    /// The disk failed: nobody knows what is there, so that everything is read anew.
    pub(super) fn fail(&mut self, error: Arc<StorageError>) {
        tracing::error!(%error, "the store failed; it is opened again");
        let down = Condition::Down {
            error,
            next_try: Instant::now(),
        };
        if let Condition::Open(store) = std::mem::replace(&mut self.condition, down) {
            let _ = store.storage().close();
        }
        self.owed = Batch::new().settling();
    }

    pub(super) fn write(
        &mut self,
        store: &Store,
        batch: &Batch,
        durability: Durability,
    ) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        store.write(batch, durability)?;
        if durability == Durability::Fsynced {
            self.unsynced = None;
        } else {
            self.unsynced.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Brings to the disk what has waited long enough for it.
    pub(super) fn sync_in_time(&mut self, store: &Store) {
        let (Sync::Every(span), Some(since)) = (self.options.sync, self.unsynced) else {
            return;
        };
        if since.elapsed() >= span {
            self.unsynced = None;
            if let Err(error) = store.storage().flush()
                && !error.is_full()
            {
                self.fail(Arc::new(error));
            }
        }
    }

    /// Everything reaches the disk, and the directory is free.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.is_closing = true;
        self.lines.clear();
        self.names.clear();
        let Condition::Open(store) = &self.condition else {
            return Ok(());
        };
        let owed = std::mem::take(&mut self.owed);
        let flushed = store.write(&owed, Durability::Fsynced);
        let closed = flushed.and(store.storage().close());
        closed.map_err(|error| unavailable(self.backend(), &Arc::new(error)))
    }

    fn find(&self, name: &QueueName) -> Result<LineId, Error> {
        self.store()?;
        let found = self.names.get(name).copied();
        found.ok_or_else(|| Error::QueueNotFound {
            queue: name.clone(),
        })
    }
}

/// What a backend is asked for.
impl Writer {
    pub(crate) fn create(&mut self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        let store = self.store()?.clone();
        if self.names.contains_key(name) {
            return Err(Error::QueueAlreadyExists {
                queue: name.clone(),
            });
        }
        let mut batch = Batch::new();
        batch.put_queue(name, config);
        self.keep(&store, &batch)?;
        let seed = self.environment.random().next_u64();
        let mut engine = Engine::new(config.clone(), seed);
        engine.record_changes();
        self.add(name.clone(), engine);
        Ok(())
    }

    pub(crate) fn line(
        &self,
        name: &QueueName,
        expected: Option<&QueueConfig>,
    ) -> Result<(LineId, Arc<Lease>), Error> {
        let id = self.find(name)?;
        let line = &self.lines[&id];
        if let Some(asked) = expected {
            line.engine.config().matches(name, asked)?;
        }
        Ok((id, Arc::clone(&line.lease)))
    }

    pub(crate) fn config(&self, name: &QueueName) -> Result<QueueConfig, Error> {
        let id = self.find(name)?;
        Ok(self.lines[&id].engine.config().clone())
    }

    pub(crate) fn update(&mut self, name: &QueueName, config: &QueueConfig) -> Result<(), Error> {
        let store = self.store()?.clone();
        let id = self.find(name)?;
        let mut batch = Batch::new().settling();
        batch.put_queue(name, config);
        self.keep(&store, &batch)?;
        if let Some(line) = self.lines.get_mut(&id) {
            line.update(config.clone());
            // What a smaller limit has dropped.
            let changes = line.engine.take_changes();
            let mut batch = Batch::new().settling();
            let mut rows = Rows {
                batch: &mut batch,
                queue: name,
                line: id,
                payloads: &mut self.payloads,
                new_payloads: &NewPayloads::default(),
            };
            for change in &changes {
                rows.add(change);
            }
            self.owe(batch);
            // Where there is no room for it now, it goes first when there is.
            let _ = self.pay(&store);
        }
        Ok(())
    }

    pub(crate) fn list(&self) -> Result<Vec<QueueName>, Error> {
        self.store()?;
        Ok(self.names.keys().cloned().collect())
    }

    pub(crate) fn delete(&mut self, name: &QueueName) -> Result<(), Error> {
        let store = self.store()?.clone();
        let id = self.find(name)?;
        let durability = self.durability();
        let removed = store.remove_queue(name, durability).map_err(Arc::new);
        if let Err(error) = removed {
            let answer = interrupted(self.backend(), &error);
            if !error.is_full() {
                self.fail(error);
            }
            return Err(answer);
        }
        self.names.remove(name);
        // Those who wait are told by that.
        self.lines.remove(&id);
        Ok(())
    }

    pub(crate) fn health(&mut self) -> Health {
        let store = match &self.condition {
            Condition::Open(store) => store.clone(),
            Condition::Down { error, .. } => return Health::Down(error.to_string()),
        };
        if !self.owed.is_empty() {
            // It is tried again before long; nothing is taken before it is written.
            return Health::Down(
                "the disk is full, and what has happened cannot be written".to_owned(),
            );
        }
        let Some(full) = &self.full else {
            return Health::Up;
        };
        // Is there room again for as much as there was none for? A row or two always fit.
        let room = full.bytes.clamp(LEAST_ROOM, MOST_ROOM);
        let down = Health::Down(full.error.to_string());
        let name = StateKey::new("room").expect("it is short");
        let mut probe = Batch::new();
        probe.put_state(&name, &vec![0; room]);
        let mut forget = Batch::new();
        forget.delete_state(&name);
        let written = self.write(&store, &probe, Durability::Buffered);
        let written = written.and_then(|()| self.write(&store, &forget, Durability::Buffered));
        if written.is_err() {
            return down;
        }
        self.full = None;
        Health::Up
    }

    /// Writes what has not happened yet: where it cannot be written it does not happen.
    fn keep(&mut self, store: &Store, batch: &Batch) -> Result<(), Error> {
        let durability = self.durability();
        let Err(error) = self.write(store, batch, durability).map_err(Arc::new) else {
            return Ok(());
        };
        let backend = self.backend();
        if error.is_full() {
            return Err(unavailable(backend, &error));
        }
        self.fail(Arc::clone(&error));
        Err(interrupted(backend, &error))
    }
}
