use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::RandomState;
use forebay_queue_core::{MessageId, QueueName};
use forebay_queue_engine::Change;

use crate::line::LineId;
use crate::payloads::Payloads;
use crate::storage::Batch;
use crate::storage::records::{Ended, Head, Lease};

/// Payloads of messages that have just been accepted and are not kept yet.
pub(crate) type NewPayloads = HashMap<MessageId, Bytes, RandomState>;

/// Turns what has changed in one queue into rows.
pub(crate) struct Rows<'a> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) queue: &'a QueueName,
    pub(crate) line: LineId,
    pub(crate) payloads: &'a mut Payloads,
    pub(crate) new_payloads: &'a NewPayloads,
}

impl Rows<'_> {
    pub(crate) fn add(&mut self, change: &Change) {
        let Self { batch, queue, .. } = self;
        match change {
            Change::Accepted(live) => {
                let id = live.message.id();
                let payload = self
                    .new_payloads
                    .get(&id)
                    .map_or(&[][..], |payload| payload);
                batch.put_message(queue, &Head::from(live.clone()), payload);
            }
            Change::Updated(live) => {
                batch.update_message(queue, &Head::from(live.clone()));
            }
            Change::Leased { id, lease } => {
                let lease = Lease {
                    consumer: 0,
                    until: lease.until,
                    token: lease.token,
                    length: lease.length,
                    attempt: lease.attempt,
                };
                batch.put_lease(queue, *id, &lease, None);
            }
            Change::LeaseEnded { id, until } => {
                batch.delete_lease(queue, *id, *until);
            }
            Change::Removed(message) => {
                batch.delete_message(queue, message);
                self.payloads.remove(self.line, message.id());
            }
            Change::Ended { number, over } => {
                batch.end_message(queue, *number, &Ended::from(over.clone()));
                self.payloads.remove(self.line, over.message.id());
            }
            Change::Forgotten {
                number,
                state,
                message,
            } => {
                batch.delete_ended(queue, *number, *state, message);
            }
            Change::Redriven { number, live } => {
                batch.redrive_message(queue, *number, &Head::from(live.clone()));
            }
            Change::KeySet { hash, known, .. } => {
                batch.put_key(queue, hash, known);
            }
            Change::KeyForgotten(hash) => {
                batch.delete_key(queue, hash);
            }
            Change::Share { key, share, .. } => {
                batch.put_share(queue, key, *share);
            }
            Change::Bucket { key, level } => {
                batch.put_bucket(queue, key, level.as_ref());
            }
            Change::Paused(paused) => {
                batch.put_paused(queue, *paused);
            }
            Change::DeadDropped(dropped) => {
                batch.put_dead_dropped(queue, *dropped);
            }
        }
    }
}
