//! The key that makes a repeated request the same message.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::channel::Channel;
use crate::participants::normalise;
use crate::timestamp;

/// The longest key of a request, in bytes. The shortest has one byte.
pub const KEY_MAX: usize = 256;
/// The longest key that a queue takes, in bytes.
pub const QUEUE_KEY_MAX: usize = 256;

/// Whether a client may use this key: 1 to 256 bytes, no control characters.
pub fn is_valid(key: &str) -> bool {
    (1..=KEY_MAX).contains(&key.len()) && !key.chars().any(char::is_control)
}

/// What a key is derived from when the request names none.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The channel.
    pub channel: Channel,
    /// The customer.
    pub customer_id: Uuid,
    /// The sender's address.
    pub from: &'a str,
    /// The recipient's address.
    pub to: &'a str,
    /// When it was sent.
    pub sent_at: SentAt,
    /// Hex SHA-256 of the body.
    pub body_hash: &'a str,
}

/// When a message was sent, and who says so.
#[derive(Clone, Copy)]
pub enum SentAt {
    /// The client: counted to the second, so that a client that repeats a request rounds as it likes.
    Client(OffsetDateTime),
    /// The server, at acceptance: counted in microseconds, so that a repeat is a new message.
    Server(OffsetDateTime),
}

/// The key of a request that names none: hex SHA-256 of
/// `channel|customer_id|from|to|sent_at to the second, UTC|hex SHA-256 of body`, the addresses normalised as
/// [participants](crate::participants) are. Where the server fills in `sent_at`, microseconds since 1970 stand in its place.
pub fn derived(source: &Source<'_>) -> String {
    let sent_at = match source.sent_at {
        SentAt::Client(at) => timestamp::to_second(at),
        SentAt::Server(at) => timestamp::micros(at).to_string(),
    };
    let text = format!(
        "{}|{}|{}|{}|{}|{}",
        source.channel,
        source.customer_id,
        normalise(source.channel, source.from),
        normalise(source.channel, source.to),
        sent_at,
        source.body_hash,
    );
    hex::encode(Sha256::digest(text))
}

/// The key as the queue knows it: a key belongs to one customer and channel.
///
/// `{channel}:{customer_id}:{key}`, or `{channel}:{customer_id}#{hex SHA-256 of key}` where that would be longer
/// than [`QUEUE_KEY_MAX`]. The two forms differ in the byte after the customer, so they never meet.
pub fn scoped(channel: Channel, customer_id: Uuid, key: &str) -> String {
    let plain = format!("{channel}:{customer_id}:{key}");
    if plain.len() <= QUEUE_KEY_MAX {
        return plain;
    }
    format!(
        "{channel}:{customer_id}#{}",
        hex::encode(Sha256::digest(key))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn limits() {
        assert!(is_valid("k") && is_valid(&"k".repeat(256)) && is_valid("clé \u{1f511}"));
        for bad in [
            "",
            "a\nb",
            "a\u{0}",
            "\u{7f}",
            "\u{85}",
            &"k".repeat(257),
            &"é".repeat(129),
        ] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn derived_is_the_specified_hash() {
        let body_hash = hex::encode(Sha256::digest("hello"));
        let source = Source {
            channel: Channel::Email,
            customer_id: Uuid::from_u128(1),
            from: "Ann+tag@Example.com",
            to: "bob@example.com",
            sent_at: SentAt::Client(datetime!(2026-01-02 05:04:05.9 +2)),
            body_hash: &body_hash,
        };
        let text = format!(
            "email|00000000-0000-0000-0000-000000000001|ann@example.com|bob@example.com|2026-01-02T03:04:05Z|{body_hash}"
        );
        assert_eq!(derived(&source), hex::encode(Sha256::digest(text)));
        // Computed with another tool, so that a change on both sides does not pass.
        assert_eq!(
            derived(&source),
            "0699c9148e349c9ec9200872b62b60cfc83fb985af9bc48646c7d9f0bd2380ca"
        );
    }

    #[test]
    fn scoped_keys_keep_customers_and_channels_apart() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let keys = [
            scoped(Channel::Sms, one, "k"),
            scoped(Channel::Email, one, "k"),
            scoped(Channel::Sms, two, "k"),
            scoped(Channel::Sms, one, &"k".repeat(256)),
            scoped(Channel::Sms, one, &format!("{}l", "k".repeat(255))),
        ];
        assert_eq!(keys[0], "sms:00000000-0000-0000-0000-000000000001:k");
        for (index, key) in keys.iter().enumerate() {
            assert!(key.len() <= QUEUE_KEY_MAX);
            assert!(!keys[..index].contains(key));
        }
        // 256 bytes exactly stay readable, one more is hashed.
        let fits = 256 - "sms:00000000-0000-0000-0000-000000000001:".len();
        assert_eq!(scoped(Channel::Sms, one, &"k".repeat(fits)).len(), 256);
        assert!(scoped(Channel::Sms, one, &"k".repeat(fits + 1)).contains('#'));
    }
}
