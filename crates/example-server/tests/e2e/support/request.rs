//! Requests as a client of the service writes them.

use serde_json::{Value, json};
use uuid::Uuid;

/// The customer of most messages.
pub(crate) const CUSTOMER: Uuid = Uuid::from_u128(0x0195_c7a0_0000_7000_8000_0000_0000_0001);

pub(crate) const SMS: &str = "/api/messages/sms";
pub(crate) const EMAIL: &str = "/api/messages/email";

/// A valid text message.
pub(crate) fn sms() -> Value {
    json!({
        "customerId": CUSTOMER,
        "from": "+1 (202) 555-0100",
        "to": "+1 202.555.0123",
        "body": "Your parcel is on its way.",
    })
}

/// A valid e-mail.
pub(crate) fn email() -> Value {
    json!({
        "customerId": CUSTOMER,
        "from": "shop@example.com",
        "to": "ann@example.com",
        "subject": "Your order",
        "body": "Your parcel is on its way.",
    })
}

/// The same request with these fields put over it.
pub(crate) fn with(mut request: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

/// One of many text messages: `number` is its key, and every 20th goes to the same conversation of one of seven
/// customers.
pub(crate) fn numbered(number: usize) -> Value {
    let customer = Uuid::from_u128(CUSTOMER.as_u128() + (number % 7) as u128);
    json!({
        "customerId": customer,
        "from": "+12025550100",
        "to": format!("+1202556{:04}", number % 140 / 7),
        "body": format!("Message {number}"),
        "idempotencyKey": format!("number-{number}"),
    })
}
