//! The messages that cases publish.
#![expect(
    clippy::missing_panics_doc,
    reason = "a case asserts by these methods: what does not hold, panics"
)]

use forebay_queue_core::{
    Delivery, Environment, FairnessKey, Fingerprint, IdempotencyKey, Kind, MessageId, NewMessage,
    ThrottleKey, Weight,
};

/// The kind of every message that no case cares about.
pub const KIND: Kind = Kind::from_static("job");

/// A message with a number as its payload.
pub fn numbered(number: usize) -> NewMessage {
    NewMessage::new(KIND, number.to_string())
}

/// Messages with the numbers from 0.
pub fn many(count: usize) -> Vec<NewMessage> {
    (0..count).map(numbered).collect()
}

/// A message with an idempotency key.
pub fn keyed(key: &str) -> NewMessage {
    numbered(0).with_idempotency_key(idempotency_key(key))
}

/// An idempotency key.
pub fn idempotency_key(key: &str) -> IdempotencyKey {
    IdempotencyKey::new(key).expect("a case's key is valid")
}

/// A fairness key.
pub fn fairness_key(key: &str) -> FairnessKey {
    FairnessKey::new(key).expect("a case's key is valid")
}

/// A throttle key.
pub fn throttle_key(key: &str) -> ThrottleKey {
    ThrottleKey::new(key).expect("a case's key is valid")
}

/// A weight.
pub fn weight(weight: u16) -> Weight {
    Weight::new(weight).expect("a case's weight is valid")
}

/// A fingerprint, one for each number.
pub fn fingerprint(number: u8) -> Fingerprint {
    Fingerprint([number; 32])
}

/// Fresh ids, in their order, as a sender makes them.
pub fn ids(count: usize) -> Vec<MessageId> {
    let environment = Environment::system();
    (0..count).map(|_| environment.next_id()).collect()
}

/// The number that a delivery carries.
pub fn number(delivery: &Delivery) -> usize {
    let text = std::str::from_utf8(delivery.message.payload()).expect("the payload is a number");
    text.parse().expect("the payload is a number")
}

/// The numbers that deliveries carry, in their order.
pub fn numbers(deliveries: &[Delivery]) -> Vec<usize> {
    deliveries.iter().map(number).collect()
}
