use std::collections::VecDeque;

use forebay_queue_core::{Error, PublishOutcome};
use forebay_queue_engine::{Change, Refusal};
use tokio::sync::oneshot;

use super::Writer;
use crate::line::{LineId, Publisher};
use crate::rows::{NewPayloads, Rows};
use crate::storage::Batch;

/// As many bytes as one group writes, and no publish more.
const MOST_BYTES: usize = 4 << 20;

/// Publishes of one group that the queues have taken and that are not kept yet.
#[derive(Default)]
pub(super) struct Accepted {
    changes: Vec<(LineId, Vec<Change>)>,
    payloads: NewPayloads,
    answers: Vec<(Reply, Vec<PublishOutcome>)>,
}

type Reply = oneshot::Sender<Result<Vec<PublishOutcome>, Error>>;

impl Accepted {
    /// None of them was kept.
    pub(super) fn refuse(&mut self, error: impl Fn() -> Error) {
        for (reply, _) in self.answers.drain(..) {
            let _ = reply.send(Err(error()));
        }
    }
}

impl Writer {
    /// Lets the queues take what there is room for, in order of arrival; who can wait waits.
    pub(super) fn publish(&mut self, batch: &mut Batch) -> Accepted {
        let mut accepted = Accepted::default();
        let ids: Vec<LineId> = self.lines.keys().copied().collect();
        for id in ids {
            self.publish_to(id, &mut accepted, batch);
        }
        accepted
    }

    fn publish_to(&mut self, id: LineId, accepted: &mut Accepted, batch: &mut Batch) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        let mut waiting = VecDeque::new();
        let mut bytes = batch.bytes();
        while bytes < MOST_BYTES
            && let Some(mut publisher) = line.publishers.pop_front()
        {
            // Given up before it was looked at: nothing of it is published.
            if publisher.publication.reply.is_closed() {
                continue;
            }
            let now = self.environment.now();
            let messages = &mut publisher.publication.messages;
            let is_first = waiting.is_empty();
            let answer = match publisher.refusal {
                Some(refusal) if !is_first => Err(refusal),
                _ if is_first => {
                    let environment = &self.environment;
                    let new_id = || environment.next_id();
                    line.engine.publish(now, messages, new_id)
                }
                _ => line.engine.answer_without_room(now, messages),
            };
            match answer {
                Ok(outcomes) => {
                    bytes += publisher.publication.bytes;
                    accepted.take(publisher, outcomes);
                }
                Err(refusal) => {
                    let can_wait = publisher.publication.ticket.is_some();
                    if can_wait && is_for_now(refusal) {
                        publisher.refusal = Some(refusal);
                        waiting.push_back(publisher);
                    } else {
                        let error = refusal.into_error(&line.name);
                        let _ = publisher.publication.reply.send(Err(error));
                    }
                }
            }
        }
        waiting.append(&mut line.publishers);
        line.publishers = waiting;
        let changes = line.engine.take_changes();
        let mut rows = Rows {
            batch,
            queue: &line.name,
            line: id,
            payloads: &mut self.payloads,
            new_payloads: &accepted.payloads,
        };
        for change in &changes {
            rows.add(change);
        }
        if !changes.is_empty() {
            accepted.changes.push((id, changes));
        }
    }

    /// The disk had no room: the queues are as if nothing had been published.
    pub(super) fn undo(&mut self, accepted: &mut Accepted, batch: &mut Batch) {
        for (id, changes) in accepted.changes.drain(..) {
            let Some(line) = self.lines.get_mut(&id) else {
                continue;
            };
            let mut rows = Rows {
                batch,
                queue: &line.name,
                line: id,
                payloads: &mut self.payloads,
                new_payloads: &accepted.payloads,
            };
            for change in line.engine.undo_publish(changes) {
                rows.add(&change);
            }
        }
    }

    /// They are kept.
    pub(super) fn confirm(&mut self, accepted: Accepted) {
        let mut payloads = accepted.payloads;
        for (id, changes) in accepted.changes {
            for change in changes {
                if let Change::Accepted(live) = change
                    && let Some(payload) = payloads.remove(&live.message.id())
                {
                    self.payloads.insert(id, live.message.id(), &payload);
                }
            }
        }
        for (reply, outcomes) in accepted.answers {
            let _ = reply.send(Ok(outcomes));
        }
    }
}

impl Accepted {
    fn take(&mut self, publisher: Publisher, outcomes: Vec<PublishOutcome>) {
        let publication = publisher.publication;
        for (outcome, payload) in outcomes.iter().zip(publication.payloads) {
            if let PublishOutcome::Accepted(id) = outcome {
                self.payloads.insert(*id, payload);
            }
        }
        self.answers.push((publication.reply, outcomes));
    }
}

/// Whether waiting can help.
fn is_for_now(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::Full { .. } | Refusal::KeysFull { .. })
}
