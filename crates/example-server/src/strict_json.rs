//! JSON read more strictly than `serde_json` does by itself.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The bytes are not one JSON value that could be read without doubt. Says where, never what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: line {line}, column {column}")]
pub struct Unreadable {
    what: &'static str,
    line: usize,
    column: usize,
}

const REPEATED_KEY: &str = "a key occurs twice in one object";

/// Reads exactly one JSON value from UTF-8 bytes.
///
/// # Errors
///
/// [`Unreadable`] if the bytes are not valid JSON or UTF-8, nest deeper than 128 levels, contain a number beyond
/// the range of a double, go on after the value, or repeat a key within one object at any depth: readers
/// disagree on which of the two counts.
pub fn parse(bytes: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice::<Strict>(bytes)
        .map(|Strict(value)| value)
        .map_err(|error| Unreadable {
            what: what(&error),
            line: error.line(),
            column: error.column(),
        })
}

// The error's own text could quote the input, so only its position and one of these leave this module.
fn what(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early",
        serde_json::error::Category::Data => REPEATED_KEY,
        _ if error.to_string().starts_with("recursion limit") => "the JSON is nested too deeply",
        _ => "not valid JSON",
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom(REPEATED_KEY));
            }
            let Strict(value) = map.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text =
            r#"{"a":[1,-2,1.5,true,null,"x\u0000"],"b":{"a":{"a":18446744073709551615}},"":""}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text.as_bytes()), Ok(plain));
    }

    #[test]
    fn says_where_and_never_what() {
        let deep = "[".repeat(200);
        for (bytes, expected) in [
            (&b""[..], "the JSON ends too early"),
            (b"{\"secret\":", "the JSON ends too early"),
            (b"{\"secret\" 1}", "not valid JSON"),
            (b"\"secret\xff\"", "not valid JSON"),
            (b"\"\\ud800\"", "not valid JSON"),
            (b"{} {}", "not valid JSON"),
            (b"\xef\xbb\xbf{}", "not valid JSON"),
            (b"1e999", "not valid JSON"),
            (b"NaN", "not valid JSON"),
            (b"{\"secret\":1,\"secret\":2}", REPEATED_KEY),
            (b"{\"secret\":1,\"\\u0073ecret\":2}", REPEATED_KEY),
            (b"[{\"x\":[{\"secret\":1,\"secret\":1}]}]", REPEATED_KEY),
            (deep.as_bytes(), "the JSON is nested too deeply"),
        ] {
            let error = parse(bytes).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(error.contains("line "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
