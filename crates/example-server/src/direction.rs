//! Which way a message of a conversation went.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The direction of a message, seen from whoever began the conversation.
///
/// Every message that this service accepts is on its way out, so "out" alone would say nothing. The
/// sender of the conversation's oldest message is taken as its near end: what that participant sends is
/// `outbound`, what the other sends is `inbound`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Sent by the participant who began the conversation.
    Outbound,
    /// Sent by the other participant.
    Inbound,
}

impl Direction {
    /// The direction of a message by its sender and that of the conversation's oldest message.
    pub(crate) fn of(sender: i16, first_sender: i16) -> Self {
        if sender == first_sender {
            Self::Outbound
        } else {
            Self::Inbound
        }
    }
}
