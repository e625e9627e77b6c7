//! The body of `POST /api/messages/{channel}`, read and validated.

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::address::Address;
use crate::channel::Channel;
use crate::field_error::FieldError;
use crate::strict_json::{self, Unreadable};
use crate::{canonical, timestamp};

mod form;
mod metadata;

use form::Form;
pub use metadata::{METADATA_DEPTH, METADATA_MAX};

/// The longest `body` field, in bytes of UTF-8.
pub const BODY_MAX: usize = 64 * 1024;
/// The longest `subject`, in bytes: the longest line of an e-mail (RFC 5322).
pub const SUBJECT_MAX: usize = 998;
/// The most that a valid request can take on the wire, in bytes: JSON may write each byte of a field as six.
/// The limit to set on HTTP bodies.
pub const REQUEST_MAX: usize = 512 * 1024;
/// How many field errors one answer lists, at most.
pub const ERRORS_MAX: usize = 64;

/// A valid request.
///
/// | field | |
/// |---|---|
/// | `customerId` | UUID, hyphenated |
/// | `from`, `to` | an [`Address`] of the channel |
/// | `subject` | e-mail only, optional; at most [`SUBJECT_MAX`] bytes, no control characters |
/// | `body` | not blank, at most [`BODY_MAX`] bytes; of the characters below U+0020 only tab, LF and CR |
/// | `sentAt` | optional; RFC 3339, kept in UTC to the microsecond |
/// | `idempotencyKey` | optional; 1 to 256 bytes, no control characters; the header counts as well |
/// | `metadata` | optional object; at most [`METADATA_MAX`] bytes as compact JSON and [`METADATA_DEPTH`] levels |
///
/// A field that is present but `null` is invalid, an optional one too: leave it out. NUL is invalid in every
/// string, in the keys of `metadata` too. Any other field is refused by name.
///
/// `Debug` prints sizes, never content.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// The channel that the route names.
    pub channel: Channel,
    /// The customer on whose behalf it is sent.
    pub customer_id: Uuid,
    /// The sender.
    pub from: Address,
    /// The recipient.
    pub to: Address,
    /// The subject, on `email` only.
    pub subject: Option<String>,
    /// The text.
    pub body: String,
    /// When it was sent, if the client says so.
    pub sent_at: Option<OffsetDateTime>,
    /// The client's key, from the body or the header.
    pub idempotency_key: Option<String>,
    /// Anything the client wants to keep with the message.
    pub metadata: Option<Map<String, Value>>,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// It is not JSON that can be read without doubt: 400.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is JSON, but these fields are not valid: 422. Never empty, at most [`ERRORS_MAX`].
    #[error("{} invalid field(s)", .0.len())]
    Fields(Vec<FieldError>),
}

impl Request {
    /// Reads the body of a request to this channel's route. `header_key` is the value of the `Idempotency-Key`
    /// header; if the body names a key too, they have to be equal.
    ///
    /// # Errors
    ///
    /// [`Invalid`]: what cannot be read, or every field that is not valid. No text in it repeats what was sent,
    /// apart from the names of fields in the pointers.
    pub fn parse(channel: Channel, body: &[u8], header_key: Option<&str>) -> Result<Self, Invalid> {
        let Value::Object(object) = strict_json::parse(body)? else {
            let error = FieldError::new("", "must be an object");
            return Err(Invalid::Fields(vec![error]));
        };
        let mut form = Form::new(object);
        let customer_id = form.customer_id();
        let from = form.address("from", channel);
        let to = form.address("to", channel);
        let subject = match channel {
            Channel::Email => form.subject(),
            // Left in the form, where it is an unknown field.
            Channel::Sms => None,
        };
        let text = form.body();
        let sent_at = form.sent_at();
        let idempotency_key = form.idempotency_key(header_key);
        let metadata = form.metadata();
        let errors = form.finish();
        match (customer_id, from, to, text) {
            (Some(customer_id), Some(from), Some(to), Some(body)) if errors.is_empty() => {
                Ok(Self {
                    channel,
                    customer_id,
                    from,
                    to,
                    subject,
                    body,
                    sent_at,
                    idempotency_key,
                    metadata,
                })
            }
            _ => Err(Invalid::Fields(errors)),
        }
    }

    /// What the request stands for, as 32 bytes: two requests with one key are the same message if these are equal.
    ///
    /// A SHA-256 over the normalised fields without what the server fills in: `sentAt` counts only if the
    /// client gave it, the key not at all. Addresses count in lower case, with their tag (`ann+a@` and `ann+b@` are
    /// two mailboxes to a reader of mail); the order of keys in `metadata` does not count.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"forebay-message-request-1");
        let mut field = |value: Option<&[u8]>| {
            // Presence and length go first, so that no two lists of fields give the same bytes.
            hash.update([u8::from(value.is_some())]);
            if let Some(value) = value {
                hash.update((value.len() as u64).to_be_bytes());
                hash.update(value);
            }
        };
        field(Some(self.channel.as_str().as_bytes()));
        field(Some(self.customer_id.as_bytes()));
        field(Some(self.from.as_str().to_lowercase().as_bytes()));
        field(Some(self.to.as_str().to_lowercase().as_bytes()));
        field(self.subject.as_deref().map(str::as_bytes));
        field(Some(self.body.as_bytes()));
        let sent_at = self.sent_at.map(|at| timestamp::micros(at).to_be_bytes());
        field(sent_at.as_ref().map(<[u8; 8]>::as_slice));
        let metadata = self.metadata.as_ref().map(canonical::object);
        field(metadata.as_deref().map(str::as_bytes));
        hash.finalize().into()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("channel", &self.channel)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("subject_bytes", &self.subject.as_ref().map(String::len))
            .field("body_bytes", &self.body.len())
            .field("sent_at", &self.sent_at)
            .field("has_key", &self.idempotency_key.is_some())
            .field("metadata_keys", &self.metadata.as_ref().map(Map::len))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
