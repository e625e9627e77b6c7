use serde_json::json;
use time::macros::datetime;

use super::*;

const CUSTOMER: &str = "0195c7a0-0000-7000-8000-000000000001";

fn sms() -> Value {
    json!({"customerId": CUSTOMER, "from": "+1 (202) 555-0100", "to": "+12025550101", "body": "hi\tthere\r\n"})
}

fn email() -> Value {
    json!({"customerId": CUSTOMER, "from": "ann@example.com", "to": "bob@example.com", "body": "hi"})
}

fn with(mut value: Value, name: &str, field: Value) -> Value {
    value[name] = field;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

fn parse(channel: Channel, value: &Value) -> Result<Request, Invalid> {
    Request::parse(channel, value.to_string().as_bytes(), None)
}

fn pointers(result: Result<Request, Invalid>) -> Vec<String> {
    match result {
        Err(Invalid::Fields(errors)) => errors.into_iter().map(|e| e.pointer).collect(),
        other => panic!("expected field errors, got {other:?}"),
    }
}

#[test]
fn a_full_request() {
    let value = json!({
        "customerId": CUSTOMER, "from": "Ann@Example.com", "to": "bob+x@example.com", "body": " hi ",
        "subject": "", "sentAt": "2026-01-02T03:04:05+01:00", "idempotencyKey": "k", "metadata": {"a": [1]}
    });
    let request = Request::parse(Channel::Email, value.to_string().as_bytes(), Some("k")).unwrap();
    assert_eq!(request.customer_id.to_string(), CUSTOMER);
    assert_eq!(request.from.as_str(), "Ann@example.com");
    assert_eq!(request.to.as_str(), "bob+x@example.com");
    assert_eq!(request.body, " hi ");
    assert_eq!(request.subject.as_deref(), Some(""));
    assert_eq!(request.sent_at, Some(datetime!(2026-01-02 02:04:05 UTC)));
    assert_eq!(request.idempotency_key.as_deref(), Some("k"));
    assert_eq!(request.metadata.unwrap()["a"], json!([1]));
}

#[test]
fn limits_are_inclusive() {
    let request = |value: &Value| parse(Channel::Email, value).unwrap();
    request(&with(email(), "body", json!("a".repeat(BODY_MAX))));
    request(&with(email(), "body", json!("\u{e9}".repeat(BODY_MAX / 2))));
    request(&with(email(), "subject", json!("a".repeat(SUBJECT_MAX))));
    request(&with(email(), "idempotencyKey", json!("a".repeat(256))));
    request(&with(
        email(),
        "metadata",
        json!({"a": "a".repeat(METADATA_MAX - 8)}),
    ));
    request(&with(email(), "metadata", nested(METADATA_DEPTH)));
    request(&with(email(), "metadata", json!({})));
    assert_eq!(
        parse(Channel::Sms, &sms()).unwrap().from.as_str(),
        "+12025550100"
    );
}

/// An object that nests so deep, arrays and objects in turn.
fn nested(depth: usize) -> Value {
    let inner = (1..depth).fold(json!(1), |inner, level| {
        if level % 2 == 0 {
            json!({ "a": inner })
        } else {
            json!([inner])
        }
    });
    json!({ "a": inner })
}

/// Bodies that are not JSON of an unambiguous meaning: 400.
#[test]
fn unreadable_bodies() {
    let deep = format!("{{\"metadata\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let table: &[&[u8]] = &[
        b"",
        b" ",
        b"{",
        b"}",
        b"{]",
        b"{\"body\"",
        b"{\"body\":}",
        b"{\"body\":\"a\",}",
        b"{body:\"a\"}",
        b"{'body':'a'}",
        b"{\"body\":\"a\"} x",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b"{\"body\":\"\xff\"}",
        b"{\"body\":\"\xed\xa0\x80\"}",
        b"{\"body\":\"\\ud800\"}",
        b"{\"body\":\"\\x\"}",
        b"{\"body\":\"a\nb\"}",
        b"{\"body\":NaN}",
        b"{\"metadata\":{\"a\":1e999}}",
        b"{\"metadata\":{\"a\":01}}",
        b"{\"body\":\"a\",\"body\":\"a\"}",
        b"{\"metadata\":{\"a\":1,\"a\":1}}",
        b"{\"metadata\":{\"a\":[{\"b\":1,\"\\u0062\":2}]}}",
        b"{\"a\":{\"x\":1,\"x\":1}}",
        b"customerId=1&body=hi",
        b"<message/>",
        b"\x00",
        deep.as_bytes(),
    ];
    for body in table {
        let result = Request::parse(Channel::Sms, body, None);
        assert!(
            matches!(result, Err(Invalid::Unreadable(_))),
            "{:?}: {result:?}",
            String::from_utf8_lossy(body)
        );
    }
}

/// Bodies whose customer or addresses are not valid, with the pointer of the fault.
fn bad_ends() -> Vec<(Value, &'static str)> {
    let set = |name: &str, value: Value| with(sms(), name, value);
    vec![
        (json!([]), ""),
        (json!(null), ""),
        (json!("text"), ""),
        (json!(1), ""),
        (without(sms(), "customerId"), "/customerId"),
        (set("customerId", json!(null)), "/customerId"),
        (set("customerId", json!(7)), "/customerId"),
        (set("customerId", json!("")), "/customerId"),
        (
            set("customerId", json!("0195c7a000007000800000000000000")),
            "/customerId",
        ),
        (
            set("customerId", json!("0195c7a0000070008000000000000001")),
            "/customerId",
        ),
        (
            set("customerId", json!(format!("{{{CUSTOMER}}}"))),
            "/customerId",
        ),
        (
            set("customerId", json!(format!("urn:uuid:{CUSTOMER}"))),
            "/customerId",
        ),
        (
            set("customerId", json!(format!("{CUSTOMER}\u{0}"))),
            "/customerId",
        ),
        (without(sms(), "from"), "/from"),
        (set("from", json!(12_025_550_100_i64)), "/from"),
        (set("from", json!("12025550100")), "/from"),
        (set("from", json!("+02025550100")), "/from"),
        (set("from", json!("+1202555010000000")), "/from"),
        (set("from", json!("+1\n2025550100")), "/from"),
        (set("from", json!("ann@example.com")), "/from"),
        (without(sms(), "to"), "/to"),
        (set("to", json!(["+12025550101"])), "/to"),
        (set("to", json!("+12025550101,+12025550102")), "/to"),
        (set("to", json!("+1202555\u{0}0101")), "/to"),
    ]
}

/// Bodies whose other fields are not valid, with the pointer of the fault.
fn bad_contents() -> Vec<(Value, &'static str)> {
    let set = |name: &str, value: Value| with(sms(), name, value);
    vec![
        (without(sms(), "body"), "/body"),
        (set("body", json!({})), "/body"),
        (set("body", json!("")), "/body"),
        (set("body", json!(" \t\r\n\u{2003}")), "/body"),
        (set("body", json!("a\u{0}b")), "/body"),
        (set("body", json!("a\u{1b}[2Jb")), "/body"),
        (set("body", json!("a".repeat(BODY_MAX + 1))), "/body"),
        (
            set("body", json!("\u{e9}".repeat(BODY_MAX / 2 + 1))),
            "/body",
        ),
        (set("subject", json!("an SMS has none")), "/subject"),
        (set("sentAt", json!(null)), "/sentAt"),
        (set("sentAt", json!(1_767_322_800)), "/sentAt"),
        (set("sentAt", json!("")), "/sentAt"),
        (set("sentAt", json!("2026-01-02")), "/sentAt"),
        (set("sentAt", json!("2026-01-02T03:04:05")), "/sentAt"),
        (set("sentAt", json!("2026-02-30T03:04:05Z")), "/sentAt"),
        (set("sentAt", json!("9999-12-31T23:59:59-01:00")), "/sentAt"),
        (set("idempotencyKey", json!(null)), "/idempotencyKey"),
        (set("idempotencyKey", json!(1)), "/idempotencyKey"),
        (set("idempotencyKey", json!("")), "/idempotencyKey"),
        (
            set("idempotencyKey", json!("k".repeat(257))),
            "/idempotencyKey",
        ),
        (set("idempotencyKey", json!("k\nk")), "/idempotencyKey"),
        (set("idempotencyKey", json!("k\u{0}")), "/idempotencyKey"),
        (set("metadata", json!(null)), "/metadata"),
        (set("metadata", json!([])), "/metadata"),
        (set("metadata", json!("{}")), "/metadata"),
        (
            set("metadata", json!({"a": "a".repeat(METADATA_MAX - 7)})),
            "/metadata",
        ),
        (set("metadata", nested(METADATA_DEPTH + 1)), "/metadata"),
        (set("metadata", json!({"a": "\u{0}"})), "/metadata/a"),
        (
            set("metadata", json!({"a": {"b/c": ["x", "\u{0}"]}})),
            "/metadata/a/b~1c/1",
        ),
        (set("metadata", json!({"a": {"\u{0}": 1}})), "/metadata/a"),
        (set("metadata", json!({"\u{0}": 1})), "/metadata"),
        (set("priority", json!(1)), "/priority"),
        (set("customer_id", json!(CUSTOMER)), "/customer_id"),
        (set("Body", json!("x")), "/Body"),
        (set("", json!(1)), "/"),
        (set("a/b~c", json!(1)), "/a~1b~0c"),
        (set("a\u{0}", json!(1)), ""),
        (set(&"x".repeat(129), json!(1)), ""),
    ]
}

/// JSON whose fields are not valid: 422, with the pointer of each.
#[test]
fn invalid_sms() {
    let table = [bad_ends(), bad_contents()].concat();
    assert!(table.len() >= 60);
    for (body, pointer) in &table {
        assert_eq!(pointers(parse(Channel::Sms, body)), [*pointer], "{body}");
    }
}

#[test]
fn invalid_email() {
    let set = |name: &str, value: Value| with(email(), name, value);
    for (body, pointer) in [
        (set("from", json!("+12025550100")), "/from"),
        (set("from", json!("Ann <ann@example.com>")), "/from"),
        (set("to", json!("ann@example.com, bob@example.com")), "/to"),
        (set("to", json!("ann@localhost")), "/to"),
        (
            set("to", json!("bob@example.com\r\nBcc: eve@example.com")),
            "/to",
        ),
        (set("subject", json!(null)), "/subject"),
        (set("subject", json!(1)), "/subject"),
        (
            set("subject", json!("a\r\nBcc: eve@example.com")),
            "/subject",
        ),
        (set("subject", json!("a\u{0}")), "/subject"),
        (
            set("subject", json!("a".repeat(SUBJECT_MAX + 1))),
            "/subject",
        ),
    ] {
        assert_eq!(pointers(parse(Channel::Email, &body)), [pointer], "{body}");
    }
}

#[test]
fn all_errors_at_once() {
    let body = json!({
        "customerId": "x", "from": 1, "body": " ", "subject": "s", "sentAt": "now", "idempotencyKey": "",
        "metadata": {"a": "\u{0}", "b": ["\u{0}"]}, "extra": null
    });
    assert_eq!(
        pointers(parse(Channel::Sms, &body)),
        [
            "/customerId",
            "/from",
            "/to",
            "/body",
            "/sentAt",
            "/idempotencyKey",
            "/metadata/a",
            "/metadata/b/0",
            "/extra",
            "/subject",
        ]
    );
    assert_eq!(
        pointers(parse(Channel::Sms, &json!({}))),
        ["/customerId", "/from", "/to", "/body"]
    );
}

#[test]
fn the_list_of_errors_is_bounded() {
    let fields: Map<String, Value> = (0..500).map(|i| (format!("f{i}"), json!(1))).collect();
    let nuls: Vec<Value> = (0..500).map(|_| json!("\u{0}")).collect();
    for body in [
        Value::Object(fields),
        with(sms(), "metadata", json!({ "a": nuls })),
    ] {
        assert_eq!(pointers(parse(Channel::Sms, &body)).len(), ERRORS_MAX);
    }
    let long = with(sms(), "metadata", json!({ "k".repeat(300): "\u{0}" }));
    assert_eq!(pointers(parse(Channel::Sms, &long)), ["/metadata"]);
}

#[test]
fn header_and_field_agree() {
    let key = |field: Option<&str>, header| {
        let body = field.map_or_else(sms, |key| with(sms(), "idempotencyKey", json!(key)));
        Request::parse(Channel::Sms, body.to_string().as_bytes(), header)
    };
    assert_eq!(key(None, None).unwrap().idempotency_key, None);
    for (field, header) in [(Some("k"), None), (None, Some("k")), (Some("k"), Some("k"))] {
        assert_eq!(
            key(field, header).unwrap().idempotency_key.as_deref(),
            Some("k")
        );
    }
    let long = "k".repeat(257);
    for (field, header) in [
        (Some("k"), "other"),
        (Some("k"), ""),
        (None, ""),
        (None, "a\tb"),
        (None, long.as_str()),
    ] {
        assert_eq!(pointers(key(field, Some(header))), ["/idempotencyKey"]);
    }
}

#[test]
fn errors_repeat_no_content() {
    let canary = "c4nary";
    let body = json!({
        "customerId": canary, "from": canary, "to": canary, "body": format!("{canary}\u{0}"),
        "subject": format!("{canary}\n"), "sentAt": canary, "idempotencyKey": format!("{canary}\n"),
        "metadata": {"a": format!("{canary}\u{0}")}
    });
    let error = Request::parse(
        Channel::Email,
        body.to_string().as_bytes(),
        Some("c4nary\n"),
    )
    .unwrap_err();
    assert!(!format!("{error:?} {error}").contains(canary), "{error:?}");
    let text = format!("{{\"{canary}\":\"{canary}\" {canary}");
    let error = Request::parse(Channel::Email, text.as_bytes(), None).unwrap_err();
    assert!(!format!("{error:?} {error}").contains(canary), "{error:?}");
}

#[test]
fn debug_is_quiet() {
    let body = with(email(), "idempotencyKey", json!("c4nary"));
    let text = format!(
        "{:?}",
        parse(Channel::Email, &with(body, "body", json!("c4nary"))).unwrap()
    );
    assert!(
        !text.contains("c4nary") && !text.contains("example"),
        "{text}"
    );
}

#[test]
fn the_fingerprint_sees_what_the_client_sent() {
    let print = |value: &Value| parse(Channel::Email, value).unwrap().fingerprint();
    let base = with(email(), "metadata", json!({"a": 1, "b": {"c": 2, "d": 3}}));
    let first = print(&base);
    let same = [
        with(base.clone(), "idempotencyKey", json!("k")),
        with(base.clone(), "from", json!("Ann@EXAMPLE.com")),
    ];
    for value in same {
        assert_eq!(print(&value), first, "{value}");
    }
    let reordered = base
        .to_string()
        .replace(r#"{"c":2,"d":3}"#, r#"{"d":3, "c":2}"#);
    assert_ne!(reordered, base.to_string());
    let reordered = Request::parse(Channel::Email, reordered.as_bytes(), None).unwrap();
    assert_eq!(reordered.fingerprint(), first);
    let other = [
        with(
            base.clone(),
            "customerId",
            json!("0195c7a0-0000-7000-8000-000000000002"),
        ),
        with(base.clone(), "from", json!("ann+tag@example.com")),
        with(base.clone(), "to", json!("ann@example.com")),
        with(base.clone(), "subject", json!("")),
        with(base.clone(), "body", json!("hi ")),
        with(base.clone(), "sentAt", json!("2026-01-02T03:04:05Z")),
        with(base.clone(), "metadata", json!({"a": 1})),
        without(base.clone(), "metadata"),
    ];
    let mut seen = vec![first];
    for value in other {
        let fingerprint = print(&value);
        assert!(!seen.contains(&fingerprint), "{value}");
        seen.push(fingerprint);
    }
}

#[test]
fn equal_instants_have_one_fingerprint() {
    let print = |at: &str| {
        parse(Channel::Sms, &with(sms(), "sentAt", json!(at)))
            .unwrap()
            .fingerprint()
    };
    assert_eq!(
        print("2026-01-02T03:04:05Z"),
        print("2026-01-02T04:04:05.000+01:00")
    );
    assert_ne!(print("2026-01-02T03:04:05Z"), print("2026-01-02T03:04:06Z"));
    let spaced = parse(Channel::Sms, &with(sms(), "from", json!("+12025550100"))).unwrap();
    assert_eq!(
        spaced.fingerprint(),
        parse(Channel::Sms, &sms()).unwrap().fingerprint()
    );
}
