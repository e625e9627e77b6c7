//! The names under which a queue's data lie on the server.

use bytes::Bytes;
use forebay_queue_core::QueueName;

/// What follows the prefix and the queue's name, in the order in which every script gets the keys.
const SUFFIXES: [&str; Keys::COUNT] = [
    "meta",
    "stream",
    "bell",
    "index",
    "due",
    "waiting",
    "order",
    "expiry",
    "keys",
    "keyends",
    "dead",
    "deadorder",
    "done",
    "doneorder",
    "gone",
    "bad",
];

/// All keys of one queue. The name in braces puts them into one slot of a cluster, so that one script can use them all.
#[derive(Clone, Debug)]
pub(crate) struct Keys([Bytes; Keys::COUNT]);

impl Keys {
    /// How many there are.
    pub(crate) const COUNT: usize = 16;

    /// The keys of a queue.
    pub(crate) fn new(prefix: &str, queue: &QueueName) -> Self {
        Self(SUFFIXES.map(|suffix| Bytes::from(format!("{prefix}:{{{queue}}}:{suffix}"))))
    }

    /// All of them, in the order in which every script gets them.
    pub(crate) fn all(&self) -> &[Bytes; Keys::COUNT] {
        &self.0
    }

    /// The stream of the messages that are ready or leased.
    pub(crate) fn stream(&self) -> &[u8] {
        &self.0[1]
    }

    /// The stream that wakes one waiting reader.
    pub(crate) fn bell(&self) -> &[u8] {
        &self.0[2]
    }
}

/// The set of the names of all queues. It is in a slot of its own.
pub(crate) fn registry(prefix: &str) -> Bytes {
    Bytes::from(format!("{prefix}:queues"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_on_the_server_are_these() {
        let keys = Keys::new("forebay", &QueueName::from_static("mails"));
        let all: Vec<&str> = keys
            .all()
            .iter()
            .map(|key| std::str::from_utf8(key).unwrap())
            .collect();
        assert_eq!(all[0], "forebay:{mails}:meta");
        assert_eq!(all[15], "forebay:{mails}:bad");
        assert_eq!(keys.stream(), b"forebay:{mails}:stream");
        assert_eq!(keys.bell(), b"forebay:{mails}:bell");
        assert_eq!(registry("forebay"), "forebay:queues");
    }
}
