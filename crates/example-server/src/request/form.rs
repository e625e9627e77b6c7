//! The request's fields, taken one by one, with everything that is wrong with them.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{BODY_MAX, ERRORS_MAX, SUBJECT_MAX, metadata};
use crate::address::Address;
use crate::channel::Channel;
use crate::field_error::{FieldError, pointer};
use crate::{idempotency_key, timestamp};

/// An unknown field with a longer name is not named in the answer.
const NAME_MAX: usize = 128;
const KEY_EXPECTED: &str = "must have 1 to 256 bytes and no control characters";

/// The fields that were not taken yet, and the errors found so far.
pub(super) struct Form {
    object: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Form {
    pub(super) fn new(object: Map<String, Value>) -> Self {
        Self {
            object,
            errors: Vec::new(),
        }
    }

    pub(super) fn customer_id(&mut self) -> Option<Uuid> {
        let text = self.required("customerId")?;
        // Only the hyphenated form: the crate would also take braces and `urn:uuid:`.
        let id = Uuid::try_parse(&text).ok().filter(|_| text.len() == 36);
        self.valid("customerId", id, "must be a UUID")
    }

    pub(super) fn address(&mut self, name: &'static str, channel: Channel) -> Option<Address> {
        let text = self.required(name)?;
        match Address::parse(channel, &text) {
            Ok(address) => Some(address),
            Err(error) => self.refuse(name, &error.to_string()),
        }
    }

    pub(super) fn subject(&mut self) -> Option<String> {
        let text = self.optional("subject")?;
        let valid = text.len() <= SUBJECT_MAX && !text.chars().any(char::is_control);
        self.valid(
            "subject",
            valid.then_some(text),
            "must have at most 998 bytes and no control characters",
        )
    }

    pub(super) fn body(&mut self) -> Option<String> {
        let text = self.required("body")?;
        if text.len() > BODY_MAX {
            return self.refuse("body", "must have at most 65536 bytes");
        }
        if text.trim().is_empty() {
            return self.refuse("body", "must not be blank");
        }
        let control = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
        if text.chars().any(control) {
            return self.refuse(
                "body",
                "must not contain control characters other than tab, LF and CR",
            );
        }
        Some(text)
    }

    pub(super) fn sent_at(&mut self) -> Option<OffsetDateTime> {
        let text = self.optional("sentAt")?;
        self.valid(
            "sentAt",
            timestamp::parse(&text),
            "must be an RFC 3339 date and time with an offset",
        )
    }

    pub(super) fn idempotency_key(&mut self, header: Option<&str>) -> Option<String> {
        const NAME: &str = "idempotencyKey";
        let field = self.optional(NAME);
        let field = match field {
            Some(key) if !idempotency_key::is_valid(&key) => self.refuse(NAME, KEY_EXPECTED),
            other => other,
        };
        let Some(header) = header else {
            return field;
        };
        if !idempotency_key::is_valid(header) {
            return self.refuse(NAME, &format!("the Idempotency-Key header {KEY_EXPECTED}"));
        }
        if field.as_deref().is_some_and(|key| key != header) {
            return self.refuse(NAME, "must equal the Idempotency-Key header");
        }
        Some(header.to_owned())
    }

    pub(super) fn metadata(&mut self) -> Option<Map<String, Value>> {
        match self.object.remove("metadata")? {
            Value::Object(object) => {
                let before = self.errors.len();
                metadata::check(&object, &mut self.errors);
                (self.errors.len() == before).then_some(object)
            }
            _ => self.refuse("metadata", "must be an object"),
        }
    }

    /// Every error found; what is left in the form is unknown.
    pub(super) fn finish(mut self) -> Vec<FieldError> {
        for name in self.object.keys() {
            let error = if name.len() > NAME_MAX || name.chars().any(char::is_control) {
                FieldError::new(
                    "",
                    "has an unknown field, its name too long or not printable",
                )
            } else {
                FieldError::new(pointer("", name), "unknown field")
            };
            self.errors.push(error);
        }
        self.errors.truncate(ERRORS_MAX);
        self.errors
    }

    fn required(&mut self, name: &'static str) -> Option<String> {
        if self.object.contains_key(name) {
            self.optional(name)
        } else {
            self.refuse(name, "is required")
        }
    }

    /// The field's text, if it is there; an error if it is not text, or contains NUL.
    fn optional(&mut self, name: &'static str) -> Option<String> {
        match self.object.remove(name)? {
            Value::String(text) if text.contains('\0') => self.refuse(name, "must not contain NUL"),
            Value::String(text) => Some(text),
            Value::Null => self.refuse(name, "must be a string; null is not one"),
            _ => self.refuse(name, "must be a string"),
        }
    }

    fn valid<T>(&mut self, name: &'static str, value: Option<T>, expected: &str) -> Option<T> {
        match value {
            Some(value) => Some(value),
            None => self.refuse(name, expected),
        }
    }

    fn refuse<T>(&mut self, name: &'static str, detail: &str) -> Option<T> {
        self.errors.push(FieldError::new(pointer("", name), detail));
        None
    }
}
