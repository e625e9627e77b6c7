//! JSON objects with fields that are not valid.

use serde_json::{Map, Value, json};

use super::Case;
use crate::support::request::{EMAIL, SMS, email, sms, with};

const CUSTOMERS: &[&str] = &[
    "",
    "c4nary",
    "0195c7a0000070008000000000000001",
    "{0195c7a0-0000-7000-8000-000000000001}",
    "urn:uuid:0195c7a0-0000-7000-8000-000000000001",
    "0195c7a0-0000-7000-8000-00000000000g",
    "0195c7a0-0000-7000-8000-0000000000011",
    " 0195c7a0-0000-7000-8000-000000000001",
    "0195c7a0-0000-7000-8000-00000000000\0",
];

const PHONES: &[&str] = &[
    "",
    "+",
    "c4nary",
    "12025550123",
    "0012025550123",
    "+02025550123",
    "+1234567",
    "+1234567890123456",
    "+1202555c4nary",
    "++12025550123",
    "+1+2025550123",
    "+1\t2025550123",
    "+1/202/5550123",
    "tel:+12025550123",
    "+1202555\u{660}123",
    "+1202\u{a0}5550123",
    "+12025550123\n",
    "+12025550123\0",
    "+12025550123,+12025550124",
    "ann.c4nary@example.com",
];

const MAILBOXES: &[&str] = &[
    "",
    "c4nary",
    "@c4nary.example",
    "c4nary@",
    "c4nary@localhost",
    "c4nary@@example.com",
    "c4nary@b@example.com",
    "C4nary <c4nary@example.com>",
    "<c4nary@example.com>",
    "c4nary@example.com, bob@example.com",
    "c4nary@example.com;bob@example.com",
    "c4nary@[127.0.0.1]",
    "c4nary@-example.com",
    "c4nary@example..com",
    "c4nary@example.com.",
    " c4nary@example.com",
    "c4nary@example.com ",
    ".c4nary@example.com",
    "c4nary.@example.com",
    "c4nary@example.com\r\nBcc: bob@example.com",
    "c4nary\0@example.com",
    "mailto:c4nary@example.com?subject=x",
    "+12025550123",
];

const INSTANTS: &[&str] = &[
    "",
    "c4nary",
    "now",
    "2026-01-02",
    "2026-01-02T03:04:05",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-02T25:00:00Z",
    "0000-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "1767322800",
    "2026-01-02T03:04:05Z c4nary",
    "2026-01-02T03:04:05Z\0",
    "Fri, 02 Jan 2026 03:04:05 GMT",
];

const BODIES: &[&str] = &[
    "",
    " ",
    "\n\t \r\n",
    "\u{2003}\u{3000}",
    "c4nary\0",
    "c4nary\u{1}",
    "c4nary\u{1b}[31m",
];

const KEYS: &[&str] = &["", "c4nary\n", "c4nary\0", "c4nary\u{7f}", "c4nary\u{85}"];

fn sms_with(name: impl Into<String>, fields: &Value) -> Case {
    Case::post(SMS, name, with(sms(), fields).to_string(), 422)
}

fn email_with(name: impl Into<String>, fields: &Value) -> Case {
    Case::post(EMAIL, name, with(email(), fields).to_string(), 422)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = types();
    cases.extend(values());
    cases.extend(sizes());
    cases.extend(keys());
    cases.extend(unknown());
    cases
}

fn types() -> Vec<Case> {
    let mut cases = Vec::new();
    let strings = [
        ("customerId", "/customerId"),
        ("from", "/from"),
        ("to", "/to"),
        ("body", "/body"),
        ("sentAt", "/sentAt"),
        ("idempotencyKey", "/idempotencyKey"),
        ("subject", "/subject"),
    ];
    let wrong = [
        json!(null),
        json!(7),
        json!(1e300),
        json!(true),
        json!(["c4nary"]),
        json!({"a": "c4nary"}),
    ];
    for (field, pointer) in strings {
        for value in &wrong {
            let name = format!("{field}: {value}");
            cases.push(email_with(name, &json!({ field: value })).at(pointer));
        }
    }
    for value in [
        json!(null),
        json!("c4nary"),
        json!(7),
        json!(["c4nary"]),
        json!(false),
    ] {
        let name = format!("metadata: {value}");
        cases.push(sms_with(name, &json!({"metadata": value})).at("/metadata"));
    }
    for (field, pointer) in &strings[..4] {
        let mut request = sms();
        request.as_object_mut().unwrap().remove(*field);
        let name = format!("{field} is missing");
        cases.push(Case::post(SMS, name, request.to_string(), 422).at(pointer));
    }
    // Larger than any whole number that a reader has, so read as another one.
    let large = sms()
        .to_string()
        .replace("\"Your parcel is on its way.\"", "99999999999999999999999");
    cases.push(Case::post(SMS, "a body that is a number", large, 422).at("/body"));
    cases
}

fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut all =
        |values: &[&str], field: &'static str, pointer, make: fn(String, &Value) -> Case| {
            for value in values {
                let name = format!("{field}: {value:?}");
                cases.push(make(name, &json!({ field: value })).at(pointer));
            }
        };
    all(CUSTOMERS, "customerId", "/customerId", sms_with);
    all(PHONES, "from", "/from", sms_with);
    all(&PHONES[..6], "to", "/to", sms_with);
    all(MAILBOXES, "to", "/to", email_with);
    all(&MAILBOXES[..6], "from", "/from", email_with);
    all(INSTANTS, "sentAt", "/sentAt", sms_with);
    all(BODIES, "body", "/body", sms_with);
    all(KEYS, "idempotencyKey", "/idempotencyKey", sms_with);
    let subjects = [
        "c4nary\r\nBcc: x@example.com",
        "c4nary\n",
        "c4nary\0",
        "c4nary\u{85}",
    ];
    all(&subjects, "subject", "/subject", email_with);
    cases
}

fn sizes() -> Vec<Case> {
    let long = |bytes: usize| "c4nary-".repeat(bytes / 7 + 1)[..bytes].to_owned();
    let label = "c4nary.".repeat(40);
    let wide = "\u{e9}".repeat(129);
    let metadata: Map<String, Value> = (0..300)
        .map(|n| (format!("key-{n}"), long(64).into()))
        .collect();
    let deep = (0..16).fold(json!({"c4nary": 1}), |inside, _| json!({ "a": inside }));
    vec![
        sms_with(
            "a body of 64 KiB and a byte",
            &json!({"body": long(65_537)}),
        )
        .at("/body"),
        sms_with(
            "a long body of two-byte letters",
            &json!({"body": "\u{e9}".repeat(32_769)}),
        )
        .at("/body"),
        email_with("a long subject", &json!({"subject": long(999)})).at("/subject"),
        sms_with(
            "a long number",
            &json!({"to": format!("+1202555{}", "0".repeat(5_000))}),
        )
        .at("/to"),
        sms_with(
            "a padded number",
            &json!({"to": format!("+12025550123{}", " ".repeat(60))}),
        )
        .at("/to"),
        email_with(
            "a long local part",
            &json!({"to": format!("{}@example.com", long(65))}),
        )
        .at("/to"),
        email_with("a long mailbox", &json!({"to": format!("a@{label}com")})).at("/to"),
        sms_with("a long customer", &json!({"customerId": long(10_000)})).at("/customerId"),
        sms_with("a long instant", &json!({"sentAt": long(10_000)})).at("/sentAt"),
        sms_with("a long key", &json!({"idempotencyKey": long(257)})).at("/idempotencyKey"),
        sms_with(
            "a key of two-byte letters",
            &json!({"idempotencyKey": wide}),
        )
        .at("/idempotencyKey"),
        sms_with("large metadata", &json!({"metadata": metadata})).at("/metadata"),
        sms_with("deep metadata", &json!({"metadata": deep})).at("/metadata"),
        sms_with(
            "NUL in metadata",
            &json!({"metadata": {"a": ["b\0c4nary"]}}),
        )
        .at("/metadata/a/0"),
        sms_with("NUL in a key of metadata", &json!({"metadata": {"a\0": 1}})).at("/metadata"),
    ]
}

fn keys() -> Vec<Case> {
    let key = json!({"idempotencyKey": "k"});
    let header = |name: &str, value: &str| {
        let case = Case::post(SMS, name, sms().to_string(), 422);
        case.and_header("idempotency-key", value)
            .at("/idempotencyKey")
    };
    vec![
        header("an empty key header", ""),
        header("a long key header", &"c4nary-".repeat(37)),
        header("a key header with a tab", "a\tc4nary"),
        header("two key headers", "c4nary-1").and_header("idempotency-key", "c4nary-2"),
        sms_with("another key in the header", &key)
            .and_header("idempotency-key", "c4nary")
            .at("/idempotencyKey"),
    ]
}

fn unknown() -> Vec<Case> {
    let mut cases = Vec::new();
    for (field, pointer) in [
        ("extra", "/extra"),
        ("CustomerId", "/CustomerId"),
        ("customer_id", "/customer_id"),
        ("id", "/id"),
        ("__proto__", "/__proto__"),
        ("", "/"),
        ("a/b~c", "/a~1b~0c"),
    ] {
        let name = format!("unknown field {field:?}");
        cases.push(sms_with(name, &json!({ field: "c4nary" })).at(pointer));
    }
    cases.push(
        sms_with("a subject on a text message", &json!({"subject": "c4nary"})).at("/subject"),
    );
    cases.push(sms_with("a long unknown field", &json!({"c4nary".repeat(50): 1})).at(""));
    cases.push(sms_with("an unprintable unknown field", &json!({"c4nary\u{1b}": 1})).at(""));
    let many: Map<String, Value> = (0..5_000)
        .map(|n| (format!("f{n}"), "c4nary".into()))
        .collect();
    cases.push(sms_with("5,000 unknown fields", &Value::Object(many)));
    let nothing = json!({"customerId": 0, "from": "c4nary", "to": [], "body": "", "x": 1});
    cases.push(sms_with("everything wrong at once", &nothing).at("/x"));
    cases.push(Case::post(SMS, "an empty object", "{}", 422).at("/customerId"));
    cases
}
