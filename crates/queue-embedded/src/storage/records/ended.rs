use forebay_queue_core::{State, Timestamp};
use forebay_queue_engine::{Over, Place};

use super::super::fields::{Reader, Writer};
use super::super::keys::EndedKey;
use super::super::{Family, seal};
use super::{Head, RecordError};

const DEAD: u8 = 1;
const DONE: u8 = 2;
const CANCELLED: u8 = 3;
const EXPIRED: u8 = 4;

/// A message that has ended and is still kept: a dead letter, or one that was acked, cancelled or has expired. Its payload
/// stays where it was.
///
/// Stored, version 1: state u8 (1 dead, 2 done, 3 cancelled, 4 expired) · when u64 · the body of its [`Head`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it was when it ended.
    pub head: Head,
    /// How it ended.
    pub state: State,
    /// When it ended.
    pub at: Timestamp,
}

impl From<Over> for Ended {
    fn from(over: Over) -> Self {
        Self {
            head: Head {
                message: over.message,
                sequence: 0,
                attempt: over.attempt,
                place: Place::Ready(over.at),
                errors: over.errors,
                redriven_at: over.redriven_at,
            },
            state: over.state,
            at: over.at,
        }
    }
}

impl From<Ended> for Over {
    fn from(ended: Ended) -> Self {
        Self {
            message: ended.head.message,
            state: ended.state,
            attempt: ended.head.attempt,
            at: ended.at,
            errors: ended.head.errors,
            redriven_at: ended.head.redriven_at,
        }
    }
}

impl Ended {
    /// Where it is kept: dead letters apart from the others.
    pub fn family(&self) -> Family {
        match self.state {
            State::Dead => Family::Dead,
            _ => Family::Done,
        }
    }

    /// # Panics
    /// For a message that has not ended: an invariant of the caller.
    pub(in super::super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut body = Writer::with_capacity(160 + self.head.message.headers().size());
        body.u8(match self.state {
            State::Dead => DEAD,
            State::Done => DONE,
            State::Cancelled => CANCELLED,
            State::Expired => EXPIRED,
            _ => panic!("a live message is kept as one that has ended"),
        });
        body.u64(self.at.as_nanos());
        self.head.write(&mut body);
        seal::close(self.family(), key, &body.finish())
    }

    pub(in super::super) fn decode(
        family: Family,
        key: &[u8],
        value: &[u8],
    ) -> Result<(EndedKey, Self), RecordError> {
        let mut body = Reader::new(seal::open(family, key, value)?);
        let key = EndedKey::decode(key)?;
        let state = match body.u8()? {
            DEAD => State::Dead,
            DONE => State::Done,
            CANCELLED => State::Cancelled,
            EXPIRED => State::Expired,
            _ => return Err(RecordError::Invalid { what: "state" }),
        };
        let at = Timestamp::from_nanos(body.u64()?);
        let head = Head::read(key.id, &mut body)?;
        body.end()?;
        let ended = Self { head, state, at };
        if ended.family() != family {
            return Err(RecordError::Invalid { what: "state" });
        }
        Ok((key, ended))
    }
}
