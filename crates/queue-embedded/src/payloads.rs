use bytes::Bytes;
use foldhash::fast::RandomState;
use forebay_queue_core::MessageId;
use std::collections::HashMap;

use crate::line::LineId;

/// Payloads of messages that wait, as many as fit; the others are read from the disk.
///
/// Nothing is pushed out for a newer one: queues hand out the oldest first, so that is what is wanted next.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    held: HashMap<(LineId, MessageId), Bytes, RandomState>,
    bytes: usize,
}

impl Payloads {
    /// The most bytes that are held.
    pub(crate) const MOST: usize = 64 << 20;
    /// What an entry takes besides.
    const ENTRY: usize = 128;

    pub(crate) fn insert(&mut self, line: LineId, id: MessageId, payload: &Bytes) {
        let size = payload.len() + Self::ENTRY;
        if self.bytes + size > Self::MOST {
            return;
        }
        // A slice of something larger would keep all of that.
        let own = Bytes::copy_from_slice(payload);
        if let Some(before) = self.held.insert((line, id), own) {
            self.bytes -= before.len() + Self::ENTRY;
        }
        self.bytes += size;
    }

    pub(crate) fn get(&self, line: LineId, id: MessageId) -> Option<&Bytes> {
        self.held.get(&(line, id))
    }

    pub(crate) fn remove(&mut self, line: LineId, id: MessageId) -> Option<Bytes> {
        if self.held.is_empty() {
            return None;
        }
        let payload = self.held.remove(&(line, id))?;
        self.bytes -= payload.len() + Self::ENTRY;
        if self.held.is_empty() && self.held.capacity() > 65_536 {
            self.held = HashMap::default();
        }
        Some(payload)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_it_may_and_counts_to_zero() {
        let mut payloads = Payloads::default();
        let id = |n: u128| MessageId::from_bytes(n.to_be_bytes());
        let payload = Bytes::from(vec![7; 1 << 20]);
        for number in 0..100 {
            payloads.insert(LineId(1), id(number), &payload);
            assert!(payloads.bytes <= Payloads::MOST);
        }
        assert!(payloads.get(LineId(1), id(0)).is_some(), "the oldest stays");
        assert!(payloads.get(LineId(2), id(0)).is_none());
        assert!(payloads.get(LineId(1), id(99)).is_none());
        payloads.insert(LineId(1), id(0), &Bytes::from_static(b"other"));
        for number in 0..100 {
            payloads.remove(LineId(1), id(number));
        }
        assert_eq!((payloads.bytes, payloads.held.len()), (0, 0));
    }
}
