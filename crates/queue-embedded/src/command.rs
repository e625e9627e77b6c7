use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use bytes::Bytes;
use forebay_queue_core::{
    BoxError, Capabilities, Delivery, Error, Nack, NackAction, NewMessage, PublishOutcome,
};
use tokio::sync::oneshot;

use crate::line::LineId;
use crate::storage::StorageError;
use crate::turn::Turn;
use crate::writer::Writer;

/// What the writer is asked to do.
pub(crate) enum Command {
    /// Add messages.
    Publish(LineId, Publication),
    /// Hand messages out.
    Receive(LineId, Request),
    /// Whoever waits with this ticket waits no longer.
    GiveUp(LineId, u64),
    /// One step of one queue.
    Step(LineId, Demand, Step),
    /// Something that concerns the whole store.
    Whole(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// What a step needs before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// That the operating system has what it changed.
    Lease,
    /// That what it changed is as durable as what is accepted.
    Durable,
}

/// A step: on the queue, or with the reason why there can be none. What it answers with is called when its changes are kept,
/// or cannot be.
pub(crate) type Step =
    Box<dyn for<'a> FnOnce(Result<&mut Turn<'a>, NoTurn>) -> Option<Answer> + Send>;

/// Why there can be no step.
pub(crate) enum NoTurn {
    /// The queue was deleted.
    Gone,
    /// The store cannot be used: nothing happened.
    Unavailable(Error),
}

/// Answers once what was changed is kept, or cannot be.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Messages to be added, with their payloads apart.
pub(crate) struct Publication {
    pub(crate) messages: Vec<NewMessage>,
    pub(crate) payloads: Vec<Bytes>,
    pub(crate) bytes: usize,
    /// Where it is willing to wait for room, by what it can be found.
    pub(crate) ticket: Option<u64>,
    pub(crate) reply: oneshot::Sender<Result<Vec<PublishOutcome>, Error>>,
}

/// Messages wanted.
pub(crate) struct Request {
    pub(crate) max: usize,
    /// Where it is willing to wait, by what it can be found.
    pub(crate) ticket: Option<u64>,
    pub(crate) reply: oneshot::Sender<Result<HandedOut, Error>>,
}

impl Request {
    /// Nothing came.
    pub(crate) fn answer_nothing(self) {
        let _ = self.reply.send(Ok(HandedOut::nothing()));
    }
}

/// How the writer is reached.
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) backend: &'static str,
    pub(crate) capabilities: Capabilities,
    tickets: AtomicU64,
}

impl Handle {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        backend: &'static str,
        capabilities: Capabilities,
    ) -> Arc<Self> {
        Arc::new(Self {
            commands,
            backend,
            capabilities,
            tickets: AtomicU64::new(0),
        })
    }

    pub(crate) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the writer is still there to be asked.
    pub(crate) fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }

    /// Asks the writer something that concerns the whole store; nothing when it has ended.
    pub(crate) async fn whole<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Whole(Box::new(move |writer| {
            let _ = reply.send(ask(writer));
        })));
        answer.await.ok()
    }
}

impl Drop for Handle {
    /// Nobody is left who could ask for anything.
    fn drop(&mut self) {
        self.send(Command::Whole(Box::new(|writer| {
            if let Err(error) = writer.close() {
                tracing::error!(%error, "the store was not closed cleanly; what was answered is kept");
            }
        })));
    }
}

/// Deliveries on their way to whoever asked. If nobody takes them they go back at once.
pub(crate) struct HandedOut {
    deliveries: Vec<Delivery>,
    /// Where they go back.
    back: Option<(LineId, mpsc::Sender<Command>)>,
}

impl HandedOut {
    pub(crate) fn new(
        deliveries: Vec<Delivery>,
        line: LineId,
        commands: &mpsc::Sender<Command>,
    ) -> Self {
        let back = (!deliveries.is_empty()).then(|| (line, commands.clone()));
        Self { deliveries, back }
    }

    pub(crate) const fn nothing() -> Self {
        Self {
            deliveries: Vec::new(),
            back: None,
        }
    }

    pub(crate) fn take(mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries)
    }

    /// What gives them back.
    pub(crate) fn releases(deliveries: &[Delivery]) -> Vec<Nack> {
        let release = |delivery: &Delivery| Nack {
            receipt: delivery.receipt.clone(),
            action: NackAction::Release {
                after: std::time::Duration::ZERO,
            },
            cause: None,
        };
        deliveries.iter().map(release).collect()
    }
}

impl Drop for HandedOut {
    fn drop(&mut self) {
        let Some((line, commands)) = self.back.take().filter(|_| !self.deliveries.is_empty())
        else {
            return;
        };
        let releases = Self::releases(&self.deliveries);
        let step: Step = Box::new(move |turn| {
            if let Ok(turn) = turn {
                turn.engine.nack(turn.now, &releases);
            }
            None
        });
        let _ = commands.send(Command::Step(line, Demand::Lease, step));
    }
}

/// Certainly nothing happened.
pub(crate) fn unavailable(backend: &'static str, source: &Arc<StorageError>) -> Error {
    let source: BoxError = Box::new(Arc::clone(source));
    Error::Unavailable {
        backend,
        source: Some(source),
    }
}

/// Perhaps it happened.
pub(crate) fn interrupted(backend: &'static str, source: &Arc<StorageError>) -> Error {
    let source: BoxError = Box::new(Arc::clone(source));
    Error::Interrupted {
        backend,
        source: Some(source),
    }
}
