//! Bodies that are no JSON, not the JSON asked for, or not said to be JSON.

use serde_json::json;

use super::Case;
use crate::support::request::{EMAIL, SMS, sms, with};

const UNREADABLE: &[(&str, &[u8])] = &[
    ("empty", b""),
    ("blank", b" \r\n\t "),
    ("an open object", b"{"),
    ("an open array", b"["),
    ("an open string", b"{\"body\":\"c4nary"),
    ("an open key", b"{\"c4nary"),
    ("no value", b"{\"body\":"),
    ("no colon", b"{\"body\" \"c4nary\"}"),
    ("half a literal", b"tru"),
    ("another literal", b"c4nary"),
    ("bare keys", b"{c4nary: 1}"),
    ("single quotes", b"{'body': 'c4nary'}"),
    ("a comma at the end", b"{\"body\":\"c4nary\",}"),
    ("a comma alone", b"{,}"),
    ("a comment", b"{\"body\":\"c4nary\" /* c4nary */}"),
    ("more after it", b"{\"body\":\"c4nary\"} c4nary"),
    ("two values", b"{\"body\":\"c4nary\"}{\"body\":\"c4nary\"}"),
    ("a byte order mark", b"\xef\xbb\xbf{\"body\":\"c4nary\"}"),
    ("invalid UTF-8 in a value", b"{\"body\":\"c4nary\xff\"}"),
    ("invalid UTF-8 in a key", b"{\"c4nary\xc3\x28\":1}"),
    ("an overlong encoding", b"{\"body\":\"c4nary\xc0\x80\"}"),
    ("an encoded surrogate", b"{\"body\":\"c4nary\xed\xa0\x80\"}"),
    ("UTF-16", b"{\0\"\0b\0o\0d\0y\0\"\0:\0\"\0c\0\"\0}\0"),
    (
        "gzip",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0",
    ),
    ("half a surrogate pair", b"{\"body\":\"c4nary\\ud800\"}"),
    ("an unknown escape", b"{\"body\":\"c4nary\\x41\"}"),
    ("half an escape", b"{\"body\":\"c4nary\\u00\"}"),
    ("a raw NUL", b"{\"body\":\"c4nary\0\"}"),
    ("a raw line feed", b"{\"body\":\"c4nary\n\"}"),
    ("a NUL between", b"{\"body\":\0\"c4nary\"}"),
    (
        "a number beyond all",
        b"{\"body\":\"c4nary\",\"metadata\":{\"n\":1e999}}",
    ),
    ("not a number", b"{\"metadata\":{\"c4nary\":NaN}}"),
    ("infinity", b"{\"metadata\":{\"c4nary\":-Infinity}}"),
    ("a hexadecimal number", b"{\"metadata\":{\"c4nary\":0x10}}"),
    ("a leading zero", b"{\"metadata\":{\"c4nary\":01}}"),
    ("a sign alone", b"{\"metadata\":{\"c4nary\":-}}"),
    ("a plus", b"{\"metadata\":{\"c4nary\":+1}}"),
    ("a point at the end", b"{\"metadata\":{\"c4nary\":1.}}"),
    ("a key twice", b"{\"body\":\"c4nary\",\"body\":\"c4nary\"}"),
    (
        "a key twice, once escaped",
        b"{\"body\":\"c4nary\",\"\\u0062ody\":\"c4nary\"}",
    ),
    (
        "a key twice, deep down",
        b"{\"metadata\":{\"a\":[{\"c4nary\":1,\"c4nary\":2}]}}",
    ),
    ("a form", b"body=c4nary&to=%2B12025550123"),
    ("XML", b"<?xml version=\"1.0\"?><body>c4nary</body>"),
];

const NOT_AN_OBJECT: &[&str] = &[
    "null",
    "true",
    "7",
    "-1.5e3",
    "\"c4nary\"",
    "[]",
    "[{\"body\":\"c4nary\"}]",
];

const CONTENT_TYPES: &[&str] = &[
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=c4nary",
    "application/octet-stream",
    "application/xml",
    "application/jsonc4nary",
    "application/json-seq",
    "c4nary",
    "/",
    "application/",
    "json",
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body) in UNREADABLE {
        cases.push(Case::post(SMS, *name, *body, 400));
    }
    for depth in [129, 10_000, 200_000] {
        let arrays = format!("{{\"metadata\":{}", "[".repeat(depth));
        let objects = format!("{{\"metadata\":{}", "{\"a\":".repeat(depth));
        cases.push(Case::post(EMAIL, format!("{depth} arrays"), arrays, 400));
        if objects.len() < 500_000 {
            cases.push(Case::post(EMAIL, format!("{depth} objects"), objects, 400));
        }
    }
    for body in NOT_AN_OBJECT {
        cases.push(Case::post(SMS, format!("not an object: {body}"), *body, 422).at(""));
    }
    let valid = with(sms(), &json!({"body": "c4nary"})).to_string();
    for content_type in CONTENT_TYPES {
        let case = Case::post(
            SMS,
            format!("content type {content_type}"),
            valid.clone(),
            415,
        );
        cases.push(case.headers(&[("content-type", content_type)]));
    }
    cases.push(Case::post(SMS, "no content type", valid.clone(), 415).headers(&[]));
    let encoded = Case::post(SMS, "a content encoding", valid, 415);
    cases.push(encoded.and_header("content-encoding", "gzip"));
    for (kib, what) in [(513, "a little"), (2_048, "2 MiB")] {
        let large = with(sms(), &json!({"body": "c4nary ".repeat(kib * 1024 / 7)}));
        cases.push(Case::post(
            SMS,
            format!("too large: {what}"),
            large.to_string(),
            413,
        ));
    }
    cases
}
