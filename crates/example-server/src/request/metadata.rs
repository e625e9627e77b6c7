//! The limits of `metadata`.

use serde_json::{Map, Value};

use super::ERRORS_MAX;
use crate::canonical;
use crate::field_error::{FieldError, pointer};

/// The most that `metadata` takes as compact JSON, in bytes.
pub const METADATA_MAX: usize = 16 * 1024;
/// How deep `metadata` nests, at most; the object itself is level 1.
pub const METADATA_DEPTH: usize = 16;

const POINTER: &str = "/metadata";
/// A longer pointer is cut at an ancestor, so that an answer stays small.
const POINTER_MAX: usize = 256;

/// Adds what is wrong with the object.
pub(super) fn check(object: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    if depth(object.values()) > METADATA_DEPTH {
        errors.push(FieldError::new(
            POINTER,
            "must not nest deeper than 16 levels",
        ));
        return;
    }
    if canonical::object(object).len() > METADATA_MAX {
        errors.push(FieldError::new(
            POINTER,
            "must take at most 16384 bytes as compact JSON",
        ));
        return;
    }
    check_object(object, POINTER, errors);
}

// The parser stops at 128 levels, so this and what follows may recurse.
fn depth<'a>(values: impl Iterator<Item = &'a Value>) -> usize {
    let below = values.map(|value| match value {
        Value::Object(object) => depth(object.values()),
        Value::Array(items) => depth(items.iter()),
        _ => 0,
    });
    1 + below.max().unwrap_or(0)
}

fn check_object(object: &Map<String, Value>, at: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in object {
        if errors.len() >= ERRORS_MAX {
            return;
        }
        if key.contains('\0') {
            errors.push(FieldError::new(at, "must not contain NUL in a key"));
            continue;
        }
        check_value(value, &below(at, key), errors);
    }
}

fn check_value(value: &Value, at: &str, errors: &mut Vec<FieldError>) {
    if errors.len() >= ERRORS_MAX {
        return;
    }
    match value {
        Value::String(text) if text.contains('\0') => {
            errors.push(FieldError::new(at, "must not contain NUL"));
        }
        Value::Object(object) => check_object(object, at, errors),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_value(item, &below(at, &index.to_string()), errors);
            }
        }
        _ => {}
    }
}

fn below(at: &str, name: &str) -> String {
    let pointer = pointer(at, name);
    if pointer.len() > POINTER_MAX {
        at.to_owned()
    } else {
        pointer
    }
}
