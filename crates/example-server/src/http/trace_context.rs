//! W3C trace context from a request into a message.

use axum::http::HeaderMap;
use forebay::Headers;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// What a `tracestate` has to be carried up to.
const TRACESTATE_MAX: usize = 512;

/// Copies a valid `traceparent`, and its `tracestate`; anything else is left behind.
pub(super) fn carry(from: &HeaderMap, into: &mut Headers) {
    let Some(parent) = single(from, TRACEPARENT).filter(|text| is_traceparent(text)) else {
        return;
    };
    // A message without trace context is better than none.
    let _ = into.insert(TRACEPARENT, parent);
    if let Some(state) = single(from, TRACESTATE).filter(|text| text.len() <= TRACESTATE_MAX) {
        let _ = into.insert(TRACESTATE, state);
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

/// `version-trace-parent-flags` in lower-case hexadecimal; a later version may go on after a further hyphen.
fn is_traceparent(text: &str) -> bool {
    const LENGTH: usize = 55;
    let Some((head, rest)) = text.split_at_checked(LENGTH) else {
        return false;
    };
    let parts: Vec<&str> = head.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else {
        return false;
    };
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let fits = if version == "00" {
        rest.is_empty()
    } else {
        rest.is_empty() || rest.starts_with('-')
    };
    hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && set(trace)
        && hex(parent, 16)
        && set(parent)
        && hex(flags, 2)
        && fits
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn valid_and_invalid_parents() {
        assert!(is_traceparent(GOOD));
        assert!(is_traceparent(&GOOD.replacen("00", "01", 1)));
        assert!(is_traceparent(&format!("01{}-more", &GOOD[2..])));
        for bad in [
            String::new(),
            GOOD[1..].to_owned(),
            format!("{GOOD}-more"),
            format!("01{}more", &GOOD[2..]),
            GOOD.replacen("00", "ff", 1),
            GOOD.to_uppercase(),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            GOOD.replace('a', "\u{e9}"),
        ] {
            assert!(!is_traceparent(&bad), "{bad}");
        }
    }

    #[test]
    fn the_state_goes_only_with_a_valid_parent() {
        let carried = |pairs: &[(&'static str, &str)]| {
            let mut from = HeaderMap::new();
            for (name, value) in pairs {
                from.append(*name, value.parse().unwrap());
            }
            let mut into = Headers::new();
            carry(&from, &mut into);
            into
        };
        let state = ("tracestate", "a=1");
        assert_eq!(carried(&[("traceparent", GOOD), state]).len(), 2);
        assert_eq!(carried(&[state]).len(), 0);
        assert_eq!(carried(&[("traceparent", "x"), state]).len(), 0);
        let twice = [("traceparent", GOOD), ("traceparent", GOOD)];
        assert_eq!(carried(&twice).len(), 0);
    }
}
