//! Receipts: which entry of the stream was handed to whom.

use std::fmt;
use std::str::FromStr;

use forebay_queue_core::{MessageId, Receipt};

/// The id of a stream entry. No other entry ever has it, and none is delivered twice: it is the fencing token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId {
    pub(crate) millis: u64,
    pub(crate) sequence: u64,
}

impl StreamId {
    /// Before every entry.
    pub(crate) const ZERO: Self = Self {
        millis: 0,
        sequence: 0,
    };
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

impl FromStr for StreamId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (millis, sequence) = text.split_once('-').ok_or(())?;
        Ok(Self {
            millis: millis.parse().map_err(drop)?,
            sequence: sequence.parse().map_err(drop)?,
        })
    }
}

/// Who reads: the name of one reading connection, drawn when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Consumer(pub(crate) u64);

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Drawn when the queue was made: a receipt of an earlier one of the name settles nothing.
    pub(crate) epoch: u32,
    pub(crate) place: StreamId,
    pub(crate) consumer: Consumer,
    pub(crate) message: MessageId,
}

/// Without the sequence: epoch (4), milliseconds (6), consumer (8), message (16), check (2).
const FIXED_BYTES: usize = 36;

impl Token {
    /// The receipt: 40 bytes, which are kept without an allocation. Only a server whose clock stood still for billions
    /// of entries makes longer ones.
    pub(crate) fn to_receipt(self) -> Receipt {
        let mut bytes = [0; FIXED_BYTES + 8];
        bytes[..4].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[4..10].copy_from_slice(&self.place.millis.to_be_bytes()[2..]);
        bytes[10..18].copy_from_slice(&self.consumer.0.to_be_bytes());
        bytes[18..34].copy_from_slice(self.message.as_bytes());
        let end = if let Ok(short) = u32::try_from(self.place.sequence) {
            bytes[34..38].copy_from_slice(&short.to_be_bytes());
            38
        } else {
            bytes[34..42].copy_from_slice(&self.place.sequence.to_be_bytes());
            42
        };
        let check = check(&bytes[..end]);
        bytes[end..end + 2].copy_from_slice(&check.to_be_bytes());
        Receipt::from_bytes(&bytes[..end + 2])
    }

    /// What a receipt says; `None` for bytes that no [`Token::to_receipt`] made.
    pub(crate) fn from_receipt(receipt: &Receipt) -> Option<Self> {
        let (body, sum) = receipt.as_bytes().split_last_chunk::<2>()?;
        if check(body).to_be_bytes() != *sum {
            return None;
        }
        let (epoch, rest) = body.split_first_chunk::<4>()?;
        let (millis, rest) = rest.split_first_chunk::<6>()?;
        let (consumer, rest) = rest.split_first_chunk::<8>()?;
        let (message, rest) = rest.split_first_chunk::<16>()?;
        let sequence = match rest.len() {
            4 => u64::from(u32::from_be_bytes(rest.try_into().ok()?)),
            8 => u64::from_be_bytes(rest.try_into().ok()?),
            _ => return None,
        };
        let mut wide = [0; 8];
        wide[2..].copy_from_slice(millis);
        Some(Self {
            epoch: u32::from_be_bytes(*epoch),
            place: StreamId {
                millis: u64::from_be_bytes(wide),
                sequence,
            },
            consumer: Consumer(u64::from_be_bytes(*consumer)),
            message: MessageId::from_bytes(*message),
        })
    }
}

/// Tells bytes that were damaged on their way (FNV-1a, folded): the server checks the delivery, but not that the message
/// id belongs to it.
fn check(bytes: &[u8]) -> u16 {
    let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(sequence: u64) -> Token {
        Token {
            epoch: 0x0102_0304,
            place: StreamId {
                millis: 0x0000_1122_3344_5566,
                sequence,
            },
            consumer: Consumer(0xa1a2_a3a4_a5a6_a7a8),
            message: MessageId::from_bytes([9; 16]),
        }
    }

    #[test]
    fn a_receipt_says_what_it_was_made_of() {
        for sequence in [0, 7, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX] {
            let receipt = token(sequence).to_receipt();
            assert_eq!(Token::from_receipt(&receipt), Some(token(sequence)));
        }
        assert_eq!(token(7).to_receipt().as_bytes().len(), 40);
    }

    #[test]
    fn a_damaged_receipt_says_nothing() {
        let good = token(7).to_receipt();
        let good = good.as_bytes();
        for place in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.to_vec();
                bytes[place] ^= 1 << bit;
                assert_eq!(Token::from_receipt(&Receipt::from_bytes(&bytes)), None);
            }
        }
        for bytes in [&[][..], &[0], &good[..39], &[0xff; 200]] {
            assert_eq!(Token::from_receipt(&Receipt::from_bytes(bytes)), None);
        }
    }

    #[test]
    fn stream_ids_read_print_and_compare() {
        let id: StreamId = "1700000000000-12".parse().unwrap();
        assert_eq!(id.to_string(), "1700000000000-12");
        assert!(id > "1700000000000-9".parse().unwrap());
        assert!("1-".parse::<StreamId>().is_err() && "x".parse::<StreamId>().is_err());
        assert_eq!(Consumer(0xab).to_string(), "00000000000000ab");
    }
}
