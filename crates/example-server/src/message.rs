//! A persisted message as it is listed.

use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::direction::Direction;

/// One message of a conversation, without its body.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The id that the 202 answered.
    pub id: Uuid,
    /// The sender's address.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// Which way it went.
    pub direction: Direction,
    /// The first 64 characters of the body, cut between grapheme clusters.
    pub snippet: String,
    /// When it was sent.
    #[serde(with = "time::serde::rfc3339")]
    pub timestamp: OffsetDateTime,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("direction", &self.direction)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}
