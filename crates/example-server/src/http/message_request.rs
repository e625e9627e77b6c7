//! The bodies of `POST /api/messages/…` as the API's description shows them.
//!
//! The server reads them by hand ([`Request::parse`](crate::request::Request::parse)), so that it can name every invalid
//! field at once; clients in Rust may use these types.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// A text message to send.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmsRequest {
    /// The customer on whose behalf it is sent.
    pub customer_id: Uuid,
    /// The sender, E.164; space, dot, hyphen and parentheses are removed.
    #[schema(example = "+12025550100")]
    pub from: String,
    /// The recipient, as the sender.
    #[schema(example = "+12025550123")]
    pub to: String,
    /// The text: not blank, at most 64 KiB of UTF-8.
    #[schema(
        min_length = 1,
        max_length = 65_536,
        example = "Your parcel is on its way."
    )]
    pub body: String,
    /// When it was sent; RFC 3339. The time of acceptance if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub sent_at: Option<String>,
    /// Makes a repeated request the same message: 1 to 256 bytes. The `Idempotency-Key` header counts as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256, nullable = false)]
    pub idempotency_key: Option<String>,
    /// Anything to keep with the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    pub metadata: Option<Map<String, Value>>,
}

/// An e-mail to send.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmailRequest {
    /// The customer on whose behalf it is sent.
    pub customer_id: Uuid,
    /// The sender: one address.
    #[schema(example = "desk@example.com")]
    pub from: String,
    /// The recipient: one address.
    #[schema(example = "ann@example.org")]
    pub to: String,
    /// The subject: at most 998 bytes, no control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 998, nullable = false)]
    pub subject: Option<String>,
    /// The text: not blank, at most 64 KiB of UTF-8.
    #[schema(
        min_length = 1,
        max_length = 65_536,
        example = "Your parcel is on its way."
    )]
    pub body: String,
    /// When it was sent; RFC 3339. The time of acceptance if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub sent_at: Option<String>,
    /// Makes a repeated request the same message: 1 to 256 bytes. The `Idempotency-Key` header counts as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256, nullable = false)]
    pub idempotency_key: Option<String>,
    /// Anything to keep with the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    pub metadata: Option<Map<String, Value>>,
}
