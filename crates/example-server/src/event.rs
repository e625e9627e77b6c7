//! What lies in the queue: the message as it was accepted.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::channel::Channel;
use crate::idempotency_key::{self, SentAt, Source};
use crate::participants::Participants;
use crate::request::Request;
use crate::timestamp;

/// The version that this program writes and understands.
pub const SCHEMA_VERSION: u32 = 1;

/// A message as it was accepted; stored, so in `snake_case`. `schema/message-event.v1.schema.json` describes it.
///
/// `Debug` prints sizes, never content.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The channel.
    pub channel: Channel,
    /// The customer on whose behalf it is sent.
    pub customer_id: Uuid,
    /// The sender's address.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// The subject of an e-mail, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text.
    pub body: String,
    /// Hex SHA-256 of the body, in lower case.
    pub body_hash: String,
    /// When it was sent: what the client said, or the time of acceptance. UTC, whole microseconds.
    #[serde(with = "time::serde::rfc3339")]
    pub sent_at: OffsetDateTime,
    /// The client's key, or the derived one.
    pub idempotency_key: String,
    /// What the client keeps with the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Fields that this program does not know. They are kept when the event is written again.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Why a payload is not an event that can be handled. No text of it repeats the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is not an event at all, or a field is missing or of the wrong type.
    #[error("the payload is not a message event")]
    Undecodable,
    /// It is an event of a version that this program does not know.
    #[error("the event has schema_version {0}; this program knows {SCHEMA_VERSION}")]
    UnknownVersion(u64),
    /// The hash does not belong to the body.
    #[error("the event's body_hash does not belong to its body")]
    BodyHash,
    /// A field is empty that must not be.
    #[error("the event's {0} is empty")]
    Empty(&'static str),
}

impl Event {
    /// The event of a request accepted at this time.
    pub fn accept(request: Request, accepted_at: OffsetDateTime) -> Self {
        let filled_in = timestamp::to_micros(accepted_at);
        let sent_at = request.sent_at.unwrap_or(filled_in);
        let said = request
            .sent_at
            .map_or(SentAt::Server(filled_in), SentAt::Client);
        let body_hash = hash(&request.body);
        let from = request.from.as_str();
        let to = request.to.as_str();
        let idempotency_key = request.idempotency_key.unwrap_or_else(|| {
            idempotency_key::derived(&Source {
                channel: request.channel,
                customer_id: request.customer_id,
                from,
                to,
                sent_at: said,
                body_hash: &body_hash,
            })
        });
        Self {
            schema_version: SCHEMA_VERSION,
            channel: request.channel,
            customer_id: request.customer_id,
            from: from.to_owned(),
            to: to.to_owned(),
            subject: request.subject,
            body: request.body,
            body_hash,
            sent_at,
            idempotency_key,
            metadata: request.metadata,
            unknown: Map::new(),
        }
    }

    /// The event as a payload: JSON, at most 200 KiB for one that was [accepted](Self::accept).
    ///
    /// # Panics
    ///
    /// Never for an event whose `sent_at` has a year of 0000 to 9999, as each from [`accept`](Self::accept) and
    /// [`decode`](Self::decode) has.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("an event has string keys and a year that RFC 3339 can write")
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`EventError`]: none of them gets better by trying again.
    pub fn decode(payload: &[u8]) -> Result<Self, EventError> {
        let event: Self = match serde_json::from_slice(payload) {
            Ok(event) => event,
            Err(_) => return Err(unknown_version(payload)),
        };
        if event.schema_version != SCHEMA_VERSION {
            return Err(EventError::UnknownVersion(event.schema_version.into()));
        }
        let texts = [
            ("from", &event.from),
            ("to", &event.to),
            ("body", &event.body),
            ("idempotency_key", &event.idempotency_key),
        ];
        if let Some((name, _)) = texts.into_iter().find(|(_, text)| text.is_empty()) {
            return Err(EventError::Empty(name));
        }
        if hash(&event.body) != event.body_hash {
            return Err(EventError::BodyHash);
        }
        let sent_at = timestamp::normalise(event.sent_at).ok_or(EventError::Undecodable)?;
        Ok(Self { sent_at, ..event })
    }

    /// The key as the queue knows it; see [`idempotency_key::scoped`].
    pub fn queue_key(&self) -> String {
        idempotency_key::scoped(self.channel, self.customer_id, &self.idempotency_key)
    }

    /// The two ends of its conversation.
    pub fn participants(&self) -> Participants {
        Participants::new(self.channel, &self.from, &self.to)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("schema_version", &self.schema_version)
            .field("channel", &self.channel)
            .field("subject_bytes", &self.subject.as_ref().map(String::len))
            .field("body_bytes", &self.body.len())
            .field("sent_at", &self.sent_at)
            .field("metadata_keys", &self.metadata.as_ref().map(Map::len))
            .field("unknown_fields", &self.unknown.len())
            .finish_non_exhaustive()
    }
}

fn hash(body: &str) -> String {
    hex::encode(Sha256::digest(body))
}

// A later version may have changed any other field, so its number is looked for on its own.
fn unknown_version(payload: &[u8]) -> EventError {
    #[derive(Deserialize)]
    struct Head {
        schema_version: u64,
    }
    match serde_json::from_slice::<Head>(payload) {
        Ok(head) if head.schema_version != u64::from(SCHEMA_VERSION) => {
            EventError::UnknownVersion(head.schema_version)
        }
        _ => EventError::Undecodable,
    }
}

#[cfg(test)]
mod tests;
