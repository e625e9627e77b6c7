use std::sync::Arc;

use bytes::Bytes;
use forebay_queue_core::{Message, QueueName, StoredMessage, Timestamp};
use forebay_queue_engine::Engine;

use crate::line::LineId;
use crate::payloads::Payloads;
use crate::storage::keys::MessageKey;
use crate::storage::{StorageError, Store};

/// What a step of one queue has to do with.
pub(crate) struct Turn<'a> {
    pub(crate) engine: &'a mut Engine,
    pub(crate) now: Timestamp,
    pub(crate) name: &'a QueueName,
    pub(crate) line: LineId,
    pub(crate) payloads: &'a mut Payloads,
    pub(crate) store: &'a Store,
}

impl Turn<'_> {
    /// The message with its payload, which leaves memory.
    pub(crate) fn take_payload(&mut self, message: &Message) -> Result<Arc<Message>, StorageError> {
        let payload = match self.payloads.remove(self.line, message.id()) {
            Some(payload) => payload,
            None => self.stored_payload(message)?,
        };
        Ok(Arc::new(message.with_payload(payload)))
    }

    /// A view with its payload. One that cannot be read is shown as none: the message itself is never handed out so.
    pub(crate) fn view(&self, mut view: StoredMessage) -> StoredMessage {
        let held = self.payloads.get(self.line, view.message.id()).cloned();
        let payload = held.map_or_else(|| self.stored_payload(&view.message), Ok);
        match payload {
            Ok(payload) => view.message = Arc::new(view.message.with_payload(payload)),
            Err(error) => {
                let id = view.message.id();
                tracing::error!(queue = %self.name, message = %id, %error, "a payload cannot be read: it is shown as none");
            }
        }
        view
    }

    fn stored_payload(&self, message: &Message) -> Result<Bytes, StorageError> {
        let key = MessageKey::of(self.name, message);
        self.store
            .payload(&key)?
            .ok_or_else(|| self.store.missing_payload())
    }
}
