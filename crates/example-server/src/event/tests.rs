use serde_json::json;
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05.123456789 UTC);

fn request(channel: Channel, value: &Value) -> Request {
    Request::parse(channel, value.to_string().as_bytes(), None).unwrap()
}

fn sms() -> Value {
    json!({
        "customerId": "0195c7a0-0000-7000-8000-000000000001", "from": "+1 202 555 0100", "to": "+12025550101",
        "body": "hello", "sentAt": "2025-12-31T23:00:00+01:00", "metadata": {"b": 1, "a": {}}
    })
}

fn email() -> Value {
    json!({
        "customerId": "0195c7a0-0000-7000-8000-000000000001", "from": "Ann+x@example.com", "to": "bob@example.com",
        "subject": "s", "body": "hello", "idempotencyKey": "k", "metadata": {}
    })
}

fn schema() -> jsonschema::Validator {
    let schema = include_str!("../../schema/message-event.v1.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

fn value(event: &Event) -> Value {
    serde_json::from_slice(&event.encode()).unwrap()
}

#[test]
fn what_the_server_fills_in() {
    let sms = Event::accept(request(Channel::Sms, &sms()), NOW);
    assert_eq!(sms.from, "+12025550100");
    assert_eq!(sms.sent_at, datetime!(2025-12-31 22:00:00 UTC));
    assert_eq!(
        sms.body_hash,
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    let text = format!(
        "sms|{}|+12025550100|+12025550101|2025-12-31T22:00:00Z|{}",
        sms.customer_id, sms.body_hash
    );
    assert_eq!(sms.idempotency_key, hash(&text));
    assert_eq!(
        sms.queue_key(),
        format!("sms:{}:{}", sms.customer_id, hash(&text))
    );
    let email = Event::accept(request(Channel::Email, &email()), NOW);
    assert_eq!(email.sent_at, datetime!(2026-01-02 03:04:05.123456 UTC));
    assert_eq!(email.idempotency_key, "k");
    assert_eq!(email.from, "Ann+x@example.com");
}

#[test]
fn a_repeat_without_key_and_time_is_a_new_message() {
    let mut value = sms();
    value.as_object_mut().unwrap().remove("sentAt");
    let key = |at| Event::accept(request(Channel::Sms, &value), at).idempotency_key;
    assert_eq!(key(NOW), key(NOW));
    assert_ne!(key(NOW), key(NOW + time::Duration::MICROSECOND));
}

#[test]
fn reads_back() {
    for (channel, body) in [(Channel::Sms, sms()), (Channel::Email, email())] {
        let event = Event::accept(request(channel, &body), NOW);
        assert_eq!(Event::decode(&event.encode()).unwrap(), event);
    }
}

#[test]
fn unknown_fields_are_kept() {
    let mut json = value(&Event::accept(request(Channel::Email, &email()), NOW));
    json["trace"] = json!({"z": [1], "a": null});
    let event = Event::decode(json.to_string().as_bytes()).unwrap();
    assert_eq!(event.unknown["trace"], json["trace"]);
    assert_eq!(value(&event), json);
}

#[test]
fn what_cannot_be_handled() {
    let good = value(&Event::accept(request(Channel::Email, &email()), NOW));
    let with = |name: &str, field: Value| {
        let mut json = good.clone();
        json[name] = field;
        json.to_string()
    };
    let far = "9999-12-31T23:59:59-01:00";
    let long = format!(r#"{{"schema_version":2,"body":"{}"}}"#, "x".repeat(1_000));
    for (payload, expected) in [
        (String::new(), EventError::Undecodable),
        ("[]".to_owned(), EventError::Undecodable),
        ("{\"schema_version\":1}".to_owned(), EventError::Undecodable),
        (
            "{\"schema_version\":\"2\"}".to_owned(),
            EventError::Undecodable,
        ),
        (
            "{\"schema_version\":2}".to_owned(),
            EventError::UnknownVersion(2),
        ),
        (long, EventError::UnknownVersion(2)),
        (
            with("schema_version", json!(0)),
            EventError::UnknownVersion(0),
        ),
        (
            with("schema_version", json!(u64::MAX)),
            EventError::UnknownVersion(u64::MAX),
        ),
        (with("body", json!("other")), EventError::BodyHash),
        (with("from", json!("")), EventError::Empty("from")),
        (with("sent_at", json!("yesterday")), EventError::Undecodable),
        (with("sent_at", json!(far)), EventError::Undecodable),
        (with("channel", json!("fax")), EventError::Undecodable),
    ] {
        assert_eq!(
            Event::decode(payload.as_bytes()),
            Err(expected),
            "{payload}"
        );
    }
}

#[test]
fn the_schema_describes_the_type() {
    let schema = schema();
    for (channel, body) in [(Channel::Sms, sms()), (Channel::Email, email())] {
        let event = value(&Event::accept(request(channel, &body), NOW));
        if let Err(error) = schema.validate(&event) {
            panic!("{error}");
        }
        for name in event.as_object().unwrap().keys() {
            let mut less = event.clone();
            less.as_object_mut().unwrap().remove(name);
            let optional = matches!(name.as_str(), "subject" | "metadata");
            assert_eq!(
                schema.is_valid(&less),
                optional,
                "the schema without {name}"
            );
            let decoded = Event::decode(less.to_string().as_bytes());
            assert_eq!(decoded.is_ok(), optional, "the type without {name}");
        }
        for (name, wrong) in [
            ("schema_version", json!(2)),
            ("channel", json!("fax")),
            ("customer_id", json!("1")),
            ("from", json!("")),
            ("to", json!(1)),
            ("body", json!("")),
            ("body_hash", json!("ABC")),
            ("sent_at", json!("2026-13-02T03:04:05Z")),
            ("sent_at", json!("2026-01-02T03:04:05+01:00")),
            ("idempotency_key", json!("")),
            ("metadata", json!([])),
        ] {
            let mut bad = event.clone();
            bad[name] = wrong;
            assert!(!schema.is_valid(&bad), "{name}");
        }
        let mut more = event.clone();
        more["later"] = json!(1);
        assert!(
            schema.is_valid(&more),
            "unknown fields are kept, so they are valid"
        );
    }
}

#[test]
fn the_schema_has_the_types_fields() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schema/message-event.v1.schema.json")).unwrap();
    let event = value(&Event::accept(request(Channel::Email, &email()), NOW));
    let names = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(names(&schema["properties"])), sorted(names(&event)));
}

#[test]
fn the_largest_event_fits_a_payload() {
    let body = json!({
        "customerId": "0195c7a0-0000-7000-8000-000000000001", "from": "ann@example.com", "to": "bob@example.com",
        "subject": "\"".repeat(998), "body": "\"\\\n\t".repeat(16_384), "idempotencyKey": "\"".repeat(256),
        "metadata": {"a": "x".repeat(16_376)}
    });
    let wire = body.to_string();
    assert!(wire.len() < crate::request::REQUEST_MAX);
    let event = Event::accept(request(Channel::Email, &body), NOW);
    assert!(event.encode().len() <= 200 * 1024);
    assert!(event.queue_key().len() <= idempotency_key::QUEUE_KEY_MAX);
}

#[test]
fn debug_is_quiet() {
    let text = format!(
        "{:?}",
        Event::accept(request(Channel::Email, &email()), NOW)
    );
    assert!(
        !text.contains("hello") && !text.contains("example"),
        "{text}"
    );
}
