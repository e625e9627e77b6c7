//! Looking at messages where they are, and the pages of a listing.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use forebay_queue_core::{
    Cursor, Error, MessageId, Page, PageRequest, State, StoredMessage, Timestamp,
};

use crate::answer::Items;
use crate::entry::{self, Ended, Entry, EntryError};
use crate::management::RedisManagement;
use crate::script;

/// The most messages that are looked at in one call: the server does nothing else meanwhile.
const LOOK: usize = 256;
/// The most messages that are fetched in one call: with the largest payloads these are 16 MiB.
const FETCH: usize = 64;
/// No number of a listing is as great: a script would not count exactly beyond it.
const NEVER: u64 = (1 << 53) - 1;

/// A message's place in a listing. Messages that were accepted together may share a number: then the ids tell the order,
/// which grow as they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) id: [u8; 16],
}

/// The first rows out of many that come in any order, each once.
struct First {
    after: Row,
    count: usize,
    rows: BTreeSet<Row>,
}

impl First {
    fn add(&mut self, row: Row) {
        if row > self.after {
            self.rows.insert(row);
            if self.rows.len() > self.count {
                self.rows.pop_last();
            }
        }
    }

    /// Nothing with a greater number than this belongs to them.
    fn bound(&self) -> u64 {
        let is_full = self.rows.len() == self.count;
        let last = self.rows.last().filter(|_| is_full);
        last.map_or(NEVER, |row| row.number)
    }
}

impl RedisManagement {
    /// One message by id, wherever it is.
    pub(crate) async fn get_one(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        let mut items = self
            .settled(&script::GET, vec![id.as_bytes().to_vec()])
            .await?;
        let found = items.optional_list()?;
        found.map(seen).transpose()
    }

    /// The messages that would be received next, at most `limit`.
    pub(crate) async fn peek_all(&self, limit: usize) -> Result<Vec<StoredMessage>, Error> {
        let mut found = Vec::new();
        let mut place = Vec::new();
        while found.len() < limit {
            let most = FETCH.min(limit - found.len());
            let arguments = vec![place.clone(), most.to_string().into_bytes()];
            let mut items = self.settled(&script::PEEK, arguments).await?;
            let mut count = 0;
            while !items.is_empty() {
                place = items.text()?;
                let bytes = items.bytes()?;
                // What cannot be read, its reader puts aside.
                found.extend(Entry::decode(&bytes).map(|entry| waiting(entry, State::Ready)));
                count += 1;
            }
            if count < most {
                break;
            }
        }
        Ok(found)
    }

    /// One page of the messages in a state.
    pub(crate) async fn list_page(
        &self,
        state: State,
        page: &PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        let after = read_cursor(state, page.after.as_ref())?;
        // One more than a page, to know whether there is a next one.
        let count = page.limit.saturating_add(1);
        let mut rows = match state {
            State::Ready => self.live_rows("r", after, count).await?,
            State::Leased => self.live_rows("l", after, count).await?,
            State::Scheduled => self.sorted_rows("s", after, count).await?,
            State::Dead => self.sorted_rows("d", after, count).await?,
            State::Cancelled => self.sorted_rows("2", after, count).await?,
            State::Expired => self.sorted_rows("3", after, count).await?,
            _ => self.sorted_rows("1", after, count).await?,
        };
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more);
        Ok(Page {
            next: next.map(|row| cursor(state, *row)),
            items: self.fetch(state, &rows).await?,
        })
    }

    /// The rows of a listing that the server keeps in its order.
    async fn sorted_rows(&self, what: &str, after: Row, count: usize) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        // Those that share the number of the last one may come after it.
        let mut from = after.number.saturating_sub(1).to_string().into_bytes();
        while !from.is_empty() && rows.len() < count {
            let mut items = self.rows(what, from, (0, 0)).await?;
            from = items.text()?;
            while !items.is_empty() {
                let row = row(&mut items)?;
                if row > after && rows.len() < count {
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }

    /// The first rows of a listing of the stream, which is in another order: what was given back stands at its end with
    /// the number that it had. All of it is looked at, a part at a time.
    async fn live_rows(&self, what: &str, after: Row, count: usize) -> Result<Vec<Row>, Error> {
        let mut first = First {
            after,
            count,
            rows: BTreeSet::new(),
        };
        let mut from = b"0-0".to_vec();
        while !from.is_empty() {
            let bounds = (after.number, first.bound());
            let mut items = self.rows(what, from, bounds).await?;
            from = items.text()?;
            while !items.is_empty() {
                first.add(row(&mut items)?);
            }
        }
        Ok(first.rows.into_iter().collect())
    }

    async fn rows(
        &self,
        what: &str,
        from: Vec<u8>,
        (least, greatest): (u64, u64),
    ) -> Result<Items, Error> {
        let arguments = vec![
            what.as_bytes().to_vec(),
            from,
            least.to_string().into_bytes(),
            greatest.to_string().into_bytes(),
            LOOK.to_string().into_bytes(),
        ];
        self.settled(&script::LIST, arguments).await
    }

    /// What these rows say, without those that have left the state meanwhile.
    async fn fetch(&self, state: State, rows: &[Row]) -> Result<Vec<StoredMessage>, Error> {
        let mut found = Vec::with_capacity(rows.len());
        for part in rows.chunks(FETCH) {
            let ids = part.iter().map(|row| row.id.to_vec()).collect();
            let mut items = self.settled(&script::GET, ids).await?;
            while !items.is_empty() {
                let message = items.optional_list()?.map(seen).transpose();
                // One that cannot be read must not hide its neighbours.
                let message = message.ok().flatten();
                found.extend(message.filter(|message| message.state == state));
            }
        }
        Ok(found)
    }
}

fn row(items: &mut Items) -> Result<Row, Error> {
    Ok(Row {
        id: *items.id()?.as_bytes(),
        number: items.number()?,
    })
}

/// A message as `get.lua` answers it.
fn seen(mut items: Items) -> Result<StoredMessage, Error> {
    let place = items.text()?;
    let time = entry::timestamp(items.number()?);
    let bytes = items.bytes()?;
    let seen = match &place[..] {
        b"e" => ended(&bytes),
        b"s" => Entry::decode(&bytes).map(|entry| StoredMessage {
            due_at: Some(time),
            ..waiting(entry, State::Scheduled)
        }),
        b"l" => Entry::decode(&bytes).map(|entry| leased(entry, time)),
        _ => Entry::decode(&bytes).map(|entry| waiting(entry, State::Ready)),
    };
    seen.map_err(unreadable)
}

fn unreadable(error: EntryError) -> Error {
    Error::Invalid {
        what: "stored message",
        problem: error.to_string(),
        allowed: "what this version of the backend has written",
    }
}

fn waiting(entry: Entry, state: State) -> StoredMessage {
    StoredMessage {
        message: Arc::new(entry.message),
        state,
        attempt: entry.attempt,
        due_at: None,
        leased_until: None,
        ended_at: None,
        errors: entry.errors,
    }
}

fn leased(entry: Entry, until: Timestamp) -> StoredMessage {
    StoredMessage {
        // An entry carries the deliveries before this one.
        attempt: entry.attempt.saturating_add(1),
        leased_until: Some(until),
        ..waiting(entry, State::Leased)
    }
}

/// An ended message from its record.
///
/// # Errors
/// What is wrong with the bytes.
pub(crate) fn ended(record: &Bytes) -> Result<StoredMessage, EntryError> {
    let Ended {
        state,
        ended_at,
        entry,
    } = Ended::decode(record)?;
    // It was acked as it lay in the stream, where its last delivery is not counted.
    let attempt = entry
        .attempt
        .saturating_add(u32::from(state == State::Done));
    Ok(StoredMessage {
        attempt,
        ended_at: Some(ended_at),
        ..waiting(entry, state)
    })
}

/// One byte for the state, then the place of the last item of the page before: eight for its number, big-endian, sixteen
/// for its id.
pub(crate) fn cursor(state: State, row: Row) -> Cursor {
    let mut bytes = vec![tag(state)];
    bytes.extend_from_slice(&row.number.to_be_bytes());
    bytes.extend_from_slice(&row.id);
    Cursor::from_bytes(bytes)
}

fn tag(state: State) -> u8 {
    let place = State::ALL.iter().position(|s| *s == state);
    place.and_then(|p| u8::try_from(p).ok()).unwrap_or(u8::MAX)
}

/// The place after which a page begins.
///
/// # Errors
/// [`Error::Invalid`] for a cursor of another listing.
pub(crate) fn read_cursor(state: State, cursor: Option<&Cursor>) -> Result<Row, Error> {
    match cursor {
        None => Ok(Row::default()),
        Some(cursor) => read(state, cursor.as_bytes()).ok_or_else(|| Error::Invalid {
            what: "cursor",
            problem: "it does not belong to this listing".to_owned(),
            allowed: "the cursor of the page before, unchanged",
        }),
    }
}

fn read(state: State, bytes: &[u8]) -> Option<Row> {
    let (first, rest) = bytes.split_first()?;
    let (number, id) = rest.split_first_chunk()?;
    let number = u64::from_be_bytes(*number);
    let row = Row {
        number,
        id: id.try_into().ok()?,
    };
    (*first == tag(state) && number < NEVER).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_in_its_own_listing_only() {
        let row = Row {
            number: 7,
            id: [9; 16],
        };
        let made = cursor(State::Ready, row);
        assert_eq!(read_cursor(State::Ready, Some(&made)).unwrap(), row);
        assert_eq!(read_cursor(State::Ready, None).unwrap(), Row::default());
        let bytes = made.as_bytes();
        let longer = [bytes, &[0]].concat();
        for (state, bytes) in [
            (State::Leased, bytes),
            (State::Ready, &bytes[..24]),
            (State::Ready, &longer[..]),
            (State::Ready, &[0xff; 25][..]),
            (State::Ready, &[][..]),
        ] {
            let cursor = Cursor::from_bytes(bytes);
            let answer = read_cursor(state, Some(&cursor));
            assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
        }
    }

    #[test]
    fn the_first_rows_are_kept_each_once_and_by_id_where_they_share_a_number() {
        let row = |number, id| Row {
            number,
            id: [id; 16],
        };
        let mut first = First {
            after: row(1, 5),
            count: 3,
            rows: BTreeSet::new(),
        };
        assert_eq!(first.bound(), NEVER);
        for row in [
            row(9, 1),
            row(1, 6),
            row(1, 5),
            row(1, 4),
            row(2, 2),
            row(2, 1),
            row(2, 1),
        ] {
            first.add(row);
        }
        let rows: Vec<Row> = first.rows.iter().copied().collect();
        assert_eq!(rows, [row(1, 6), row(2, 1), row(2, 2)]);
        assert_eq!(first.bound(), 2);
    }
}
