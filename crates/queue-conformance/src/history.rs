//! The history of a run: what was asked of the queues, what was answered, and what the test did to them.
//!
//! A [`History`] is an [`Observer`]: it stands around the queues with
//! [`observed`](forebay_queue_core::observed) and inside the workers, and keeps one [`Record`] for each event.
//! The time is the environment's, so a run under paused time with a clock of its own writes the same lines each time.
//! Payloads, headers, keys and receipts are kept as [`Tag`]s: they can be compared, not read.

mod call;
mod lines;
mod mark;
mod record;
mod tag;
mod written;

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use forebay_queue_core::{CallId, Environment, Event, Observer};
use parking_lot::Mutex;

pub use call::{
    Action, Answered, Asked, CancelBy, Cancelled, Ended, GivenBack, Handed, Posted, Published,
    Settled, When,
};
pub use lines::ReadError;
pub use mark::{Mark, Party, RestStats};
pub use record::{Fact, Record};
pub use tag::Tag;

/// Records what happened, in order. Clones share the records. By itself it observes as one process; where several are
/// simulated in one, each of them takes an observer of its own from [`History::for_process`].
#[derive(Clone)]
pub struct History {
    log: Arc<Log>,
    process: u32,
}

/// Observes one process of several that share a history.
#[derive(Clone)]
pub struct ProcessHistory {
    log: Arc<Log>,
    process: u32,
}

struct Log {
    environment: Environment,
    state: Mutex<State>,
}

struct State {
    sequence: u64,
    calls: u64,
    /// Calls under way. Their ids come from a counter of the whole process, and would differ from run to run.
    open: HashMap<CallId, u64>,
    keep: Keep,
}

enum Keep {
    Memory(Vec<Record>),
    Lines {
        to: Box<dyn Write + Send>,
        failed: Option<io::Error>,
    },
}

impl History {
    /// A history that keeps its records in memory, as process 0.
    pub fn new(environment: &Environment) -> Self {
        Self::keeping(environment, 0, Keep::Memory(Vec::new()))
    }

    /// A history that writes each record at once, a line with one write, and keeps none: what was recorded before its
    /// process was killed is there. Give it a file itself, without a buffer.
    pub fn writing(environment: &Environment, process: u32, to: Box<dyn Write + Send>) -> Self {
        Self::keeping(environment, process, Keep::Lines { to, failed: None })
    }

    fn keeping(environment: &Environment, process: u32, keep: Keep) -> Self {
        Self {
            process,
            log: Arc::new(Log {
                environment: environment.clone(),
                state: Mutex::new(State {
                    sequence: 0,
                    calls: 0,
                    open: HashMap::new(),
                    keep,
                }),
            }),
        }
    }

    /// An observer whose records carry this process's number, in the same log and the same order.
    pub fn for_process(&self, process: u32) -> Arc<ProcessHistory> {
        Arc::new(ProcessHistory {
            log: Arc::clone(&self.log),
            process,
        })
    }

    /// Records something that the test itself did or saw.
    pub fn mark(&self, mark: Mark) {
        self.log.push(self.process, |_| Some(Fact::Mark(mark)));
    }

    /// How many records are kept in memory.
    pub fn len(&self) -> usize {
        match &self.log.state.lock().keep {
            Keep::Memory(records) => records.len(),
            Keep::Lines { .. } => 0,
        }
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of the records kept in memory, in order.
    pub fn records(&self) -> Vec<Record> {
        match &self.log.state.lock().keep {
            Keep::Memory(records) => records.clone(),
            Keep::Lines { .. } => Vec::new(),
        }
    }

    /// Moves the records out. Sequence and call numbers go on.
    pub fn take(&self) -> Vec<Record> {
        match &mut self.log.state.lock().keep {
            Keep::Memory(records) => std::mem::take(records),
            Keep::Lines { .. } => Vec::new(),
        }
    }

    /// Whether everything was written; always so in memory.
    ///
    /// # Errors
    /// The first error of the writer. What came after it was not written: such a history proves nothing.
    pub fn written(&self) -> io::Result<()> {
        match &mut self.log.state.lock().keep {
            Keep::Memory(_) => Ok(()),
            Keep::Lines { to, failed } => match failed {
                Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
                None => to.flush(),
            },
        }
    }
}

impl Observer for History {
    fn observe(&self, event: &Event<'_>) {
        self.log.observe(self.process, event);
    }
}

impl Observer for ProcessHistory {
    fn observe(&self, event: &Event<'_>) {
        self.log.observe(self.process, event);
    }
}

impl Log {
    fn observe(&self, process: u32, event: &Event<'_>) {
        // Hashing is done before the lock is taken.
        match event {
            Event::Invoked {
                call,
                source,
                operation,
                request,
            } => {
                let queue = source.queue.clone();
                let Some(asked) = Asked::of(*operation, request) else {
                    return;
                };
                self.push(process, |state| {
                    state.calls += 1;
                    let number = state.calls;
                    state.open.insert(*call, number);
                    Some(Fact::Invoke {
                        call: number,
                        queue,
                        asked,
                    })
                });
            }
            Event::Returned { call, response, .. } => {
                let fact = Fact::of_response(response);
                self.push(process, |state| {
                    let number = state.open.remove(call)?;
                    Some(fact.of_call(number))
                });
            }
            other => {
                if let Some(fact) = Fact::of_worker(other) {
                    self.push(process, |_| Some(fact));
                }
            }
        }
    }

    fn push(&self, process: u32, fact: impl FnOnce(&mut State) -> Option<Fact>) {
        let mut state = self.state.lock();
        let Some(fact) = fact(&mut state) else {
            return;
        };
        state.sequence += 1;
        let record = Record {
            sequence: state.sequence,
            at: self.environment.now(),
            process,
            fact,
        };
        match &mut state.keep {
            Keep::Memory(records) => records.push(record),
            Keep::Lines { to, failed } => {
                if failed.is_none() {
                    let line = record.to_line() + "\n";
                    *failed = to.write_all(line.as_bytes()).err();
                }
            }
        }
    }
}
