//! An event as its rows are written.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::canonical;
use crate::channel::Channel;
use crate::conversation::Conversation;
use crate::event::Event;
use crate::snippet::snippet;

/// The columns of the four tables for one event.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) message_id: Uuid,
    pub(super) customer_id: Uuid,
    pub(super) channel: Channel,
    pub(super) idempotency_key: String,
    pub(super) conversation_id: Uuid,
    pub(super) conversation_key: String,
    pub(super) participant_a: String,
    pub(super) participant_b: String,
    pub(super) sender: i16,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) subject: Option<String>,
    pub(super) body_hash: String,
    pub(super) snippet: String,
    pub(super) body: String,
    pub(super) sent_at: OffsetDateTime,
    pub(super) metadata: Option<String>,
    pub(super) unknown_fields: Option<String>,
}

impl Record {
    pub(super) fn new(event: &Event, message_id: Uuid) -> Self {
        let participants = event.participants();
        let json = |map: &Map<String, Value>| canonical::object(map);
        Self {
            message_id,
            customer_id: event.customer_id,
            channel: event.channel,
            idempotency_key: event.idempotency_key.clone(),
            conversation_id: Conversation::id_of(event.customer_id, &participants),
            conversation_key: participants.conversation_key(),
            participant_a: participants.first().to_owned(),
            participant_b: participants.second().to_owned(),
            sender: participants.sender().index(),
            from: event.from.clone(),
            to: event.to.clone(),
            subject: event.subject.clone(),
            body_hash: event.body_hash.clone(),
            snippet: snippet(&event.body).to_owned(),
            body: event.body.clone(),
            sent_at: event.sent_at,
            metadata: event.metadata.as_ref().map(json),
            unknown_fields: Some(&event.unknown).filter(|map| !map.is_empty()).map(json),
        }
    }
}
