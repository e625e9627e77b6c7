use std::fmt;
use std::str::FromStr;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::{Random, Timestamp};

/// The name of one message: a `UUIDv7` (RFC 9562), in order of making within a process.
///
/// An id names a message, it does not deduplicate: that is the idempotency key's work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

impl MessageId {
    /// An id from its 16 bytes, as a store keeps them. Any UUID is taken; only forebay's own are `UUIDv7`.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes, big-endian: their order is the order of the ids.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The same as a UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for MessageId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for MessageId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes monotonic `UUIDv7`s by RFC 9562, section 6.2, method 2: when the clock has not moved on (or
/// has stepped back), the random part of the last id is counted up.
#[derive(Debug, Default)]
pub struct IdGenerator(Mutex<u128>);

/// Version 7 in bits 76 to 79, variant 10 in bits 62 and 63.
const VERSION: u128 = 0x7 << 76;
const VARIANT: u128 = 0b10 << 62;
const RANDOM_HIGH: u128 = 0xfff << 64;
const RANDOM_LOW: u128 = (1 << 62) - 1;

impl IdGenerator {
    /// A generator that has made nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next id, later than every id made before by this generator.
    pub fn next(&self, now: Timestamp, random: &dyn Random) -> MessageId {
        let bits = (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64());
        // The leading random bit stays zero, so that counting up has room for 2^73 ids in one millisecond.
        let random = (bits & (RANDOM_HIGH >> 1) & RANDOM_HIGH) | (bits & RANDOM_LOW);
        let fresh =
            (u128::from(now.as_millis() & 0xffff_ffff_ffff) << 80) | VERSION | VARIANT | random;
        let mut last = self.0.lock();
        let next = if fresh > *last {
            fresh
        } else {
            count_up(*last)
        };
        *last = next;
        MessageId(Uuid::from_u128(next))
    }
}

/// Adds one to the random part, carrying over the variant bits and, once in 2^74 ids, into the time.
fn count_up(id: u128) -> u128 {
    let low = (id & RANDOM_LOW) + 1;
    if low <= RANDOM_LOW {
        return (id & !RANDOM_LOW) | low;
    }
    let id = id & !RANDOM_LOW;
    if id & RANDOM_HIGH == RANDOM_HIGH {
        return (id & !RANDOM_HIGH) + (1 << 80);
    }
    id + (1 << 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRandom;

    #[test]
    fn ids_grow_even_when_the_clock_stands_still_or_steps_back() {
        let generator = IdGenerator::new();
        let random = SeededRandom::new(1);
        let mut last = generator.next(Timestamp::from_millis(1_000), &random);
        for millis in [1_000, 1_000, 999, 1, 1_000, 1_001, 5_000, 4_000] {
            for _ in 0..1_000 {
                let id = generator.next(Timestamp::from_millis(millis), &random);
                assert!(id > last, "{id} after {last}");
                assert_eq!(id.as_uuid().get_version_num(), 7);
                assert_eq!(id.as_uuid().get_variant(), uuid::Variant::RFC4122);
                last = id;
            }
        }
    }

    #[test]
    fn counting_up_carries_over_the_fixed_bits() {
        let full_low = VERSION | VARIANT | RANDOM_LOW;
        assert_eq!(count_up(full_low), VERSION | VARIANT | (1 << 64));
        let full = (5 << 80) | VERSION | VARIANT | RANDOM_HIGH | RANDOM_LOW;
        assert_eq!(count_up(full), (6 << 80) | VERSION | VARIANT);
    }

    #[test]
    fn text_and_bytes_round_trip() {
        let id = IdGenerator::new().next(Timestamp::from_millis(42), &SeededRandom::new(3));
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        assert_eq!(MessageId::from_bytes(*id.as_bytes()), id);
        assert!("nonsense".parse::<MessageId>().is_err());
    }
}
