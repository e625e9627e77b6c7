//! Where a page of a list starts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::timestamp;

/// Which list a cursor belongs to, so that one list's cursor is refused by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Conversations, newest activity first.
    Conversations,
    /// The messages of one conversation, oldest first.
    Messages,
}

/// The sort key of the last item of a page: the next page starts after it.
///
/// Written as base64url of 25 bytes (list and version, microseconds, id); opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    list: List,
    at: OffsetDateTime,
    id: Uuid,
}

/// The text is not a cursor of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list: take `nextCursor` of an earlier page")]
pub struct InvalidCursor;

const LENGTH: usize = 1 + 8 + 16;

impl Cursor {
    /// The cursor after the item with this sort key.
    pub fn new(list: List, at: OffsetDateTime, id: Uuid) -> Self {
        Self {
            list,
            at: timestamp::to_micros(at),
            id,
        }
    }

    /// The instant of the item that it stands after.
    pub const fn at(&self) -> OffsetDateTime {
        self.at
    }

    /// The id of the item that it stands after.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The text for `nextCursor`.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(self.list.tag());
        bytes.extend(timestamp::micros(self.at).to_be_bytes());
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of this list.
    ///
    /// # Errors
    ///
    /// [`InvalidCursor`] if the text was not made by [`encode`](Self::encode) for the same list.
    pub fn decode(list: List, text: &str) -> Result<Self, InvalidCursor> {
        // Checked first, so that a long text is not decoded at all.
        if text.len() > 2 * LENGTH {
            return Err(InvalidCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let (tag, rest) = bytes.split_first().ok_or(InvalidCursor)?;
        let (micros, id) = rest.split_first_chunk::<8>().ok_or(InvalidCursor)?;
        let id: [u8; 16] = id.try_into().map_err(|_| InvalidCursor)?;
        let at = timestamp::from_micros(i64::from_be_bytes(*micros)).ok_or(InvalidCursor)?;
        if *tag != list.tag() {
            return Err(InvalidCursor);
        }
        Ok(Self {
            list,
            at,
            id: Uuid::from_bytes(id),
        })
    }
}

impl List {
    const fn tag(self) -> u8 {
        match self {
            Self::Conversations => 1,
            Self::Messages => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn reads_back() {
        let cursor = Cursor::new(
            List::Messages,
            datetime!(1960-01-02 03:04:05.123456 UTC),
            Uuid::from_u128(7),
        );
        let text = cursor.encode();
        assert_eq!(Cursor::decode(List::Messages, &text), Ok(cursor));
        assert_eq!(
            Cursor::decode(List::Conversations, &text),
            Err(InvalidCursor)
        );
    }

    #[test]
    fn bad_text_is_refused() {
        let far = URL_SAFE_NO_PAD.encode([&[1u8][..], &i64::MAX.to_be_bytes(), &[0; 16]].concat());
        let short = URL_SAFE_NO_PAD.encode([1u8; 24]);
        let long = URL_SAFE_NO_PAD.encode([1u8; 26]);
        for bad in [
            "",
            "!",
            "AQ==",
            "AQ",
            "\u{e9}",
            &far,
            &short,
            &long,
            &"A".repeat(10_000),
        ] {
            assert_eq!(
                Cursor::decode(List::Conversations, bad),
                Err(InvalidCursor),
                "{bad}"
            );
        }
    }
}
