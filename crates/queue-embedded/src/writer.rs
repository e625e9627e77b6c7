mod cycle;
mod publishing;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use forebay_queue_core::{Durability, Environment, Error, QueueName};

use crate::command::{Command, interrupted, unavailable};
use crate::line::{Line, LineId};
use crate::options::{EmbeddedOptions, Sync};
use crate::payloads::Payloads;
use crate::storage::{Batch, StorageError, Store};

/// At most so many commands in one group.
const MOST_COMMANDS: usize = 4_096;
/// No more publishes join a group that has so many bytes.
const MOST_BYTES: usize = 2 << 20;
/// How often an unwritten batch, or a store that is down, is tried again.
const RETRY_FULL: Duration = Duration::from_millis(100);
const RETRY_DOWN: Duration = Duration::from_secs(1);

/// The only thread that touches the store: it owns the queues, does one step after the other, and gathers what waits into one
/// batch with one fsync (group commit).
///
/// A group goes in this order: what time has changed, extensions and hand-outs are written, without an fsync, and answered; then
/// what settles and steers, and what is published, is written, with one fsync where that is asked for, and answered. So nothing
/// is answered before it is kept, and nothing is handed out that is not. A publish that the disk has no room for is undone
/// before anybody could see it.
pub(crate) struct Writer {
    commands: Receiver<Command>,
    /// For deliveries that nobody takes.
    back: Sender<Command>,
    options: EmbeddedOptions,
    opener: Opener,
    environment: Environment,
    condition: Condition,
    lines: BTreeMap<LineId, Line>,
    names: BTreeMap<QueueName, LineId>,
    next_line: u64,
    payloads: Payloads,
    /// What a full disk had no room for though it has happened: it goes first.
    owed: Batch,
    /// The last publishes that the disk had no room for, until some are taken again.
    full: Option<Full>,
    /// When the first write was that has not been fsynced.
    unsynced: Option<Instant>,
    /// Something was done besides the steps of queues: those who wait look again.
    again: bool,
    is_closing: bool,
}

/// Opens the store, also once more after it failed.
pub(crate) type Opener = Box<dyn Fn() -> Result<Store, StorageError> + Send>;

/// Publishes that the disk had no room for.
struct Full {
    error: Arc<StorageError>,
    /// What they would have written.
    bytes: usize,
}

enum Condition {
    Open(Store),
    Down {
        error: Arc<StorageError>,
        next_try: Instant,
    },
}

impl Writer {
    /// Opens the store and recovers what is in it.
    pub(crate) fn open(
        options: EmbeddedOptions,
        opener: Opener,
        environment: Environment,
        commands: Receiver<Command>,
        back: Sender<Command>,
    ) -> Result<Self, StorageError> {
        let store = opener()?;
        let mut writer = Self {
            commands,
            back,
            options,
            opener,
            environment,
            condition: Condition::Open(store.clone()),
            lines: BTreeMap::new(),
            names: BTreeMap::new(),
            next_line: 0,
            payloads: Payloads::default(),
            owed: Batch::new().settling(),
            full: None,
            unsynced: None,
            again: false,
            is_closing: false,
        };
        writer.take_up(&store)?;
        Ok(writer)
    }

    /// Works until it is closed; the last handle that is dropped closes it too.
    pub(crate) fn run(mut self) {
        while !self.is_closing
            && let Some(commands) = self.gather()
        {
            self.cycle(commands);
        }
    }

    /// Waits for commands, or until something is due by itself, and takes all that are there. Nothing when nobody is left.
    fn gather(&mut self) -> Option<Vec<Command>> {
        let first = match self.patience() {
            Some(Duration::ZERO) => match self.commands.try_recv() {
                Err(TryRecvError::Disconnected) => return None,
                received => received.ok(),
            },
            Some(patience) => match self.commands.recv_timeout(patience) {
                Err(RecvTimeoutError::Disconnected) => return None,
                received => received.ok(),
            },
            None => Some(self.commands.recv().ok()?),
        };
        let mut commands: Vec<Command> = first.into_iter().collect();
        let mut bytes = 0;
        while commands.len() < MOST_COMMANDS && bytes < MOST_BYTES {
            match self.commands.try_recv() {
                Ok(command) => {
                    if let Command::Publish(_, publication) = &command {
                        bytes += publication.bytes;
                    }
                    commands.push(command);
                }
                Err(_) => break,
            }
        }
        Some(commands)
    }

    /// How long nothing has to be done unless somebody asks; nothing is for ever.
    fn patience(&mut self) -> Option<Duration> {
        if std::mem::take(&mut self.again) {
            return Some(Duration::ZERO);
        }
        if let Condition::Down { next_try, .. } = &self.condition {
            return Some(next_try.saturating_duration_since(Instant::now()));
        }
        if !self.owed.is_empty() {
            return Some(RETRY_FULL);
        }
        let now = self.environment.now();
        if self.lines.values().any(Line::is_busy) {
            return Some(Duration::ZERO);
        }
        let due = self.lines.values().filter_map(Line::next_event).min();
        let due = due.map(|at| at.since(now));
        let sync = match (self.options.sync, self.unsynced) {
            (Sync::Every(span), Some(since)) => Some(span.saturating_sub(since.elapsed())),
            _ => None,
        };
        [due, sync].into_iter().flatten().min()
    }

    /// What what is accepted has to reach before it is answered.
    fn durability(&self) -> Durability {
        match self.options.sync {
            Sync::Always => Durability::Fsynced,
            Sync::Every(_) | Sync::Never => Durability::Buffered,
        }
    }

    fn backend(&self) -> &'static str {
        self.options.database.name()
    }

    /// The store, where it can be used.
    fn store(&self) -> Result<&Store, Error> {
        match &self.condition {
            Condition::Open(store) => Ok(store),
            Condition::Down { error, .. } => Err(unavailable(self.backend(), error)),
        }
    }
}
