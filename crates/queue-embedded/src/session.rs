use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue_core::failpoints::{self, pass};
use forebay_queue_core::{
    Capabilities, Delivery, Error, Nack, NewMessage, PublishOutcome, Queue, QueueName, Receipt,
    SettleOutcome, Timestamp,
};
use forebay_queue_engine::Engine;
use tokio::sync::{Notify, oneshot};

use crate::command::{Answer, Command, Demand, Handle, NoTurn, Publication, Request, Step};
use crate::line::{Lease, LineId};

/// One consumer session. It holds nothing back: what `receive` leases it hands out.
pub(crate) struct EmbeddedQueue {
    handle: Arc<Handle>,
    name: QueueName,
    line: LineId,
    lease: Arc<Lease>,
    closed: AtomicBool,
    closing: Notify,
}

impl EmbeddedQueue {
    pub(crate) fn new(
        handle: Arc<Handle>,
        name: QueueName,
        line: LineId,
        lease: Arc<Lease>,
    ) -> Self {
        Self {
            handle,
            name,
            line,
            lease,
            closed: AtomicBool::new(false),
            closing: Notify::new(),
        }
    }

    fn closed(&self) -> Error {
        Error::Closed {
            queue: self.name.clone(),
        }
    }

    /// Sends a command, unless the session is closed.
    fn send(&self, command: Command) -> Result<(), Error> {
        if !self.closed.load(Ordering::Acquire) && self.handle.send(command) {
            return Ok(());
        }
        Err(self.closed())
    }

    /// What the writer answers. Nobody answers when the queue was deleted or the backend closed, or this session was.
    async fn answer<T>(
        &self,
        answer: &mut oneshot::Receiver<Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut closing = std::pin::pin!(self.closing.notified());
        // Listened to before the look, so that a close between the look and the wait is not missed.
        closing.as_mut().enable();
        if self.closed.load(Ordering::Acquire) {
            return Err(self.closed());
        }
        tokio::select! {
            biased;
            answered = answer => answered.unwrap_or_else(|_| Err(self.closed())),
            () = closing => Err(self.closed()),
        }
    }

    /// The answer, for which the writer is told to wait no longer than `patience`.
    async fn answer_within<T>(
        &self,
        patience: Duration,
        ticket: Option<u64>,
        mut answer: oneshot::Receiver<Result<T, Error>>,
    ) -> Result<T, Error> {
        /// Far enough away to be never, near enough to be a time.
        const NEVER: Duration = Duration::from_hours(24 * 365 * 30);
        let Some(ticket) = ticket else {
            return self.answer(&mut answer).await;
        };
        let mut place = Place {
            session: self,
            ticket: Some(ticket),
        };
        let waited = tokio::time::timeout(patience.min(NEVER), self.answer(&mut answer)).await;
        if let Ok(answered) = waited {
            place.ticket = None;
            return answered;
        }
        // It may be answered at this very moment, so that only the writer can say what became of it.
        drop(place);
        self.answer(&mut answer).await
    }

    /// One step of the queue that settles.
    async fn settle(
        &self,
        demand: Demand,
        settle: impl FnOnce(&mut Engine, Timestamp) -> Vec<SettleOutcome> + Send + 'static,
    ) -> Result<Vec<SettleOutcome>, Error> {
        let (reply, mut answer) = oneshot::channel();
        let closed = self.closed();
        let step: Step = Box::new(move |turn| match turn {
            Ok(turn) => {
                let outcomes = settle(turn.engine, turn.now);
                let answer: Answer = Box::new(move |kept| {
                    let _ = reply.send(kept.map(|()| outcomes));
                });
                Some(answer)
            }
            Err(NoTurn::Gone) => {
                let _ = reply.send(Err(closed));
                None
            }
            Err(NoTurn::Unavailable(error)) => {
                let _ = reply.send(Err(error));
                None
            }
        });
        self.send(Command::Step(self.line, demand, step))?;
        self.answer(&mut answer).await
    }
}

/// A place among those who wait, which is left when it is dropped.
struct Place<'a> {
    session: &'a EmbeddedQueue,
    ticket: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let give_up = Command::GiveUp(self.session.line, ticket);
            self.session.handle.send(give_up);
        }
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    fn name(&self) -> &QueueName {
        &self.name
    }

    fn backend(&self) -> &'static str {
        self.handle.backend
    }

    fn capabilities(&self) -> &Capabilities {
        &self.handle.capabilities
    }

    fn lease(&self) -> Duration {
        self.lease.get()
    }

    async fn publish(
        &self,
        mut messages: Vec<NewMessage>,
        patience: Duration,
    ) -> Result<Vec<PublishOutcome>, Error> {
        pass(failpoints::BEFORE_PUBLISH, self.handle.backend)?;
        let size = |message: &NewMessage| message.payload().len() + message.headers().size() + 256;
        let bytes = messages.iter().map(size).sum();
        let payloads = messages.iter_mut().map(NewMessage::take_payload).collect();
        let ticket = (!patience.is_zero()).then(|| self.handle.ticket());
        let (reply, answer) = oneshot::channel();
        self.send(Command::Publish(
            self.line,
            Publication {
                messages,
                payloads,
                bytes,
                ticket,
                reply,
            },
        ))?;
        let outcomes = self.answer_within(patience, ticket, answer).await?;
        pass(failpoints::AFTER_PUBLISH, self.handle.backend)?;
        Ok(outcomes)
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let ticket = (max > 0 && !wait.is_zero()).then(|| self.handle.ticket());
        let (reply, answer) = oneshot::channel();
        let request = Request { max, ticket, reply };
        self.send(Command::Receive(self.line, request))?;
        let handed_out = self.answer_within(wait, ticket, answer).await?;
        let deliveries = handed_out.take();
        if !deliveries.is_empty() {
            pass(failpoints::AFTER_LEASE, self.handle.backend)?;
        }
        Ok(deliveries)
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        pass(failpoints::BEFORE_ACK, self.handle.backend)?;
        let receipts = receipts.to_vec();
        let ack = move |engine: &mut Engine, now| engine.ack(now, &receipts);
        let outcomes = self.settle(Demand::Durable, ack).await?;
        pass(failpoints::AFTER_ACK, self.handle.backend)?;
        Ok(outcomes)
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<SettleOutcome>, Error> {
        pass(failpoints::BEFORE_NACK, self.handle.backend)?;
        let nack = move |engine: &mut Engine, now| engine.nack(now, &nacks);
        let outcomes = self.settle(Demand::Durable, nack).await?;
        pass(failpoints::AFTER_NACK, self.handle.backend)?;
        Ok(outcomes)
    }

    async fn extend(&self, receipts: &[Receipt]) -> Result<Vec<SettleOutcome>, Error> {
        pass(failpoints::BEFORE_EXTEND, self.handle.backend)?;
        let receipts = receipts.to_vec();
        let extend = move |engine: &mut Engine, now| engine.extend(now, &receipts);
        self.settle(Demand::Lease, extend).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Release);
        self.closing.notify_waiters();
        Ok(())
    }
}
