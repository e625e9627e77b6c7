//! A byte form of JSON that does not depend on the order of keys.

use serde_json::{Map, Value};

/// Compact JSON with the keys of every object sorted by their bytes.
///
/// The order of `serde_json`'s map depends on a feature that any dependency can switch on, so the keys are
/// sorted here. Recurses once per level: only for values of bounded depth.
pub fn object(map: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_object(map, &mut out);
    out
}

fn write_object(map: &Map<String, Value>, out: &mut String) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| key.as_bytes());
    out.push('{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(key, out);
        out.push(':');
        write_value(value, out);
    }
    out.push('}');
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => write_object(map, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_string(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let read = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let one = read(r#"{"b":[{"y":1.5,"x":"q\"\n"}],"a":null}"#);
        let two = read(r#"{ "a": null, "b": [ {"x":"q\u0022\n","y":1.5} ] }"#);
        assert_eq!(object(&one), r#"{"a":null,"b":[{"x":"q\"\n","y":1.5}]}"#);
        assert_eq!(object(&one), object(&two));
    }
}
