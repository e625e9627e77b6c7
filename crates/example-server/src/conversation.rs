//! A conversation as it is listed.

use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::channel::Channel;
use crate::participants::Participants;

/// Everything that two participants sent each other over one channel on behalf of one customer.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// The conversation's id, derived from the customer and the key.
    pub id: Uuid,
    /// `{channel}:{a}<->{b}` with the participants normalised and ordered.
    pub key: String,
    /// The channel.
    pub channel: Channel,
    /// The two participants, normalised and ordered.
    pub participants: [String; 2],
    /// How many messages it has.
    pub message_count: i64,
    /// When its latest message was sent.
    #[serde(with = "time::serde::rfc3339")]
    pub last_activity_at: OffsetDateTime,
}

impl Conversation {
    /// The id of the customer's conversation between these participants.
    ///
    /// It is derived (a version 8 UUID, the first bits of a SHA-256), so that a replay in any order meets the same row.
    pub fn id_of(customer: Uuid, participants: &Participants) -> Uuid {
        use sha2::{Digest, Sha256};
        let digest = Sha256::new()
            .chain_update(customer.as_bytes())
            .chain_update(participants.conversation_key())
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .field("message_count", &self.message_count)
            .field("last_activity_at", &self.last_activity_at)
            .finish_non_exhaustive()
    }
}
