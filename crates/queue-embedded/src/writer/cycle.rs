use std::sync::Arc;

use forebay_queue_core::{Delivery, Durability, Nack, NackAction};

use super::{Full, Writer, interrupted, unavailable};
use crate::command::{Answer, Command, Demand, HandedOut, NoTurn, Request, Step};
use crate::line::{LineId, Publisher};
use crate::rows::{NewPayloads, Rows};
use crate::storage::{Batch, StorageError, Store};
use crate::turn::Turn;

/// A batch of one queue's changes that is this large is written before it grows further.
const LARGE: usize = 16 << 20;

/// Deliveries that are not written yet, and who asked for them.
struct Pending {
    line: LineId,
    request: Request,
    deliveries: Vec<Delivery>,
}

impl Writer {
    /// One group of commands.
    pub(super) fn cycle(&mut self, commands: Vec<Command>) {
        let store = match self.usable() {
            Ok(store) => store,
            Err(error) => return self.refuse(commands, &error),
        };
        let mut leases = Vec::new();
        let mut steps = Vec::new();
        let mut whole = Vec::new();
        for command in commands {
            match command {
                Command::Publish(id, publication) => {
                    // A queue that is gone drops it, which says so.
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.publishers.push_back(Publisher {
                            publication,
                            refusal: None,
                        });
                    }
                }
                Command::Receive(id, request) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.join(request);
                    }
                }
                Command::GiveUp(id, ticket) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.give_up(ticket);
                    }
                }
                Command::Step(id, Demand::Lease, step) => leases.push((id, step)),
                Command::Step(id, Demand::Durable, step) => steps.push((id, step)),
                Command::Whole(ask) => whole.push(ask),
            }
        }
        match self.hand_out(&store, leases) {
            Ok(()) => self.change(&store, steps),
            Err(error) => self.refuse_steps(steps, &error),
        }
        self.sync_in_time(&store);
        self.again = !whole.is_empty();
        for ask in whole {
            ask(self);
        }
    }

    /// The store cannot be used: who asks is told, who waits goes on waiting.
    fn refuse(&mut self, commands: Vec<Command>, error: &Arc<StorageError>) {
        let backend = self.backend();
        for command in commands {
            match command {
                Command::Publish(_, publication) => {
                    let _ = publication.reply.send(Err(unavailable(backend, error)));
                }
                Command::Receive(_, request) => {
                    let _ = request.reply.send(Err(unavailable(backend, error)));
                }
                Command::GiveUp(id, ticket) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.give_up(ticket);
                    }
                }
                Command::Step(id, _, step) => self.refuse_steps(vec![(id, step)], error),
                Command::Whole(ask) => ask(self),
            }
        }
    }

    fn refuse_steps(&self, steps: Vec<(LineId, Step)>, error: &Arc<StorageError>) {
        for (_, step) in steps {
            step(Err(NoTurn::Unavailable(unavailable(self.backend(), error))));
        }
    }

    /// What time has changed, extensions, and hand-outs: written without an fsync, then answered.
    fn hand_out(
        &mut self,
        store: &Store,
        steps: Vec<(LineId, Step)>,
    ) -> Result<(), Arc<StorageError>> {
        let mut answers = Vec::new();
        for (id, step) in steps {
            answers.extend(self.step(store, id, step));
        }
        let ids: Vec<LineId> = self.lines.keys().copied().collect();
        let mut pending = Vec::new();
        for id in ids {
            self.pass_time(id);
            self.serve(store, id, &mut pending);
        }
        let mut batch = Batch::new().settling();
        let collected = self.collect(store, &mut batch);
        let written = collected.and_then(|()| self.write(store, &batch, Durability::Buffered));
        let Err(error) = written.map_err(Arc::new) else {
            for answer in answers {
                answer(Ok(()));
            }
            for Pending {
                line,
                request,
                deliveries,
            } in pending
            {
                let handed_out = HandedOut::new(deliveries, line, &self.back);
                let _ = request.reply.send(Ok(handed_out));
            }
            return Ok(());
        };
        for answer in answers {
            answer(Err(interrupted(self.backend(), &error)));
        }
        self.take_back(pending, &error);
        if error.is_full() {
            self.owe(batch);
        } else {
            self.fail(Arc::clone(&error));
        }
        Err(error)
    }

    /// Hand-outs that could not be written: the messages stay, and who does not wait is told.
    fn take_back(&mut self, pending: Vec<Pending>, error: &Arc<StorageError>) {
        let backend = self.backend();
        for given in pending.into_iter().rev() {
            let now = self.environment.now();
            let Some(line) = self.lines.get_mut(&given.line) else {
                continue;
            };
            line.engine
                .nack(now, &HandedOut::releases(&given.deliveries));
            if given.request.ticket.is_some() {
                line.receivers.push_front(given.request);
            } else {
                let _ = given.request.reply.send(Err(unavailable(backend, error)));
            }
        }
    }

    /// What is due is dealt with, where somebody waits for it.
    fn pass_time(&mut self, id: LineId) {
        let now = self.environment.now();
        if let Some(line) = self.lines.get_mut(&id)
            && line.next_event().is_some_and(|at| at <= now)
        {
            line.engine.tick(now);
        }
    }

    /// Hands out to those who wait, in the order in which they came; who does not want to wait gets what there is.
    fn serve(&mut self, store: &Store, id: LineId, pending: &mut Vec<Pending>) {
        while let Some(line) = self.lines.get_mut(&id) {
            let has_ready = line.engine.has_ready();
            let is_next = |request: &Request| has_ready || request.ticket.is_none();
            let Some(place) = line.receivers.iter().position(is_next) else {
                return;
            };
            let Some(request) = line.receivers.remove(place) else {
                return;
            };
            if request.reply.is_closed() {
                continue;
            }
            let deliveries = self.receive(store, id, request.max);
            if !deliveries.is_empty() || request.ticket.is_none() {
                pending.push(Pending {
                    line: id,
                    request,
                    deliveries,
                });
            } else if let Some(line) = self.lines.get_mut(&id) {
                line.receivers.insert(place, request);
            }
        }
    }

    /// Takes messages with their payloads. One whose payload cannot be read becomes a dead letter.
    fn receive(&mut self, store: &Store, id: LineId, max: usize) -> Vec<Delivery> {
        let Some(mut turn) = self.turn(store, id) else {
            return Vec::new();
        };
        let mut deliveries = turn.engine.receive(turn.now, max);
        deliveries.retain_mut(|delivery| {
            let read = turn.take_payload(&delivery.message);
            let is_read = read.is_ok();
            match read {
                Ok(message) => delivery.message = message,
                Err(error) => {
                    let (queue, id) = (turn.name, delivery.message.id());
                    tracing::error!(%queue, message = %id, %error, "a payload cannot be read: it is a dead letter now");
                    let nack = Nack {
                        receipt: delivery.receipt.clone(),
                        action: NackAction::DeadLetter,
                        cause: Some("its stored payload cannot be read".into()),
                    };
                    turn.engine.nack(turn.now, &[nack]);
                }
            }
            is_read
        });
        deliveries
    }

    /// What settles, steers and publishes: written as durably as is asked for, then answered.
    fn change(&mut self, store: &Store, steps: Vec<(LineId, Step)>) {
        let mut answers: Vec<Answer> = Vec::new();
        for (id, step) in steps {
            answers.extend(self.step(store, id, step));
        }
        let mut batch = Batch::new().settling();
        let collected = self.collect(store, &mut batch);
        let settled = batch.len();
        let mut accepted = self.publish(&mut batch);
        let durability = self.durability();
        let mut written = collected;
        if written.is_ok() && batch.len() > settled {
            batch.set_settling(false);
            written = self.write(store, &batch, durability);
            batch.set_settling(true);
            match written {
                Err(error) if error.is_full() => {
                    let bytes = batch.bytes();
                    batch.truncate(settled);
                    self.undo(&mut accepted, &mut batch);
                    let error = Arc::new(error);
                    accepted.refuse(|| unavailable(self.backend(), &error));
                    self.full = Some(Full { error, bytes });
                    written = self.write(store, &batch, durability);
                }
                _ => self.full = None,
            }
        } else if written.is_ok() {
            written = self.write(store, &batch, durability);
        }
        let backend = self.backend();
        let written = written.map_err(Arc::new);
        for answer in answers {
            answer(
                written
                    .clone()
                    .map_err(|error| interrupted(backend, &error)),
            );
        }
        match written {
            Ok(()) => self.confirm(accepted),
            Err(error) => {
                accepted.refuse(|| interrupted(backend, &error));
                if error.is_full() {
                    self.owe(batch);
                } else {
                    self.fail(error);
                }
            }
        }
    }

    /// What the queues have changed becomes rows. So many that they would not fit into one batch are written on the way; when
    /// that fails, all that is left is in the batch.
    fn collect(&mut self, store: &Store, batch: &mut Batch) -> Result<(), StorageError> {
        let new_payloads = NewPayloads::default();
        let mut written = Ok(());
        let ids: Vec<LineId> = self.lines.keys().copied().collect();
        for id in ids {
            let Some(line) = self.lines.get_mut(&id) else {
                continue;
            };
            let dropped = line.newly_dropped();
            if dropped > 0 {
                let queue = line.name.as_str();
                tracing::warn!(
                    queue,
                    dropped,
                    "too many dead letters: the oldest were dropped"
                );
            }
            let (queue, changes) = (line.name.clone(), line.engine.take_changes());
            for change in &changes {
                let mut rows = Rows {
                    batch,
                    queue: &queue,
                    line: id,
                    payloads: &mut self.payloads,
                    new_payloads: &new_payloads,
                };
                rows.add(change);
                if batch.bytes() > LARGE && written.is_ok() {
                    written = self.write(store, batch, Durability::Buffered);
                    if written.is_ok() {
                        batch.truncate(0);
                    }
                }
            }
        }
        written
    }

    fn step(&mut self, store: &Store, id: LineId, step: Step) -> Option<Answer> {
        match self.turn(store, id) {
            Some(mut turn) => step(Ok(&mut turn)),
            None => step(Err(NoTurn::Gone)),
        }
    }

    fn turn<'a>(&'a mut self, store: &'a Store, id: LineId) -> Option<Turn<'a>> {
        let line = self.lines.get_mut(&id)?;
        Some(Turn {
            engine: &mut line.engine,
            now: self.environment.now(),
            name: &line.name,
            line: id,
            payloads: &mut self.payloads,
            store,
        })
    }
}
