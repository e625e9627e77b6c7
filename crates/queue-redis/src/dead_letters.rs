//! Dead letters: found by a filter, redriven, deleted.

use forebay_queue_core::{
    DeadLetterFilter, Error, MessageId, Page, PageRequest, Redriven, State, StoredMessage,
    Timestamp,
};

use crate::browse::{Row, cursor, ended, read_cursor};
use crate::entry;
use crate::management::RedisManagement;
use crate::script;

/// The most dead letters that are fetched in one call: with the largest payloads these are 16 MiB.
const FETCH: usize = 64;

/// A dead letter, and which death it was: redriven, it may die again.
struct Dead {
    id: MessageId,
    number: u64,
    message: StoredMessage,
}

impl Dead {
    fn row(&self) -> Row {
        Row {
            number: self.number,
            id: *self.id.as_bytes(),
        }
    }
}

/// Dead letters in order of death, a part at a time, from one number to another. Those that die meanwhile are beyond.
struct Search<'a> {
    management: &'a RedisManagement,
    filter: &'a DeadLetterFilter,
    /// What was asked for by id is looked for in one go.
    ids: Option<Vec<MessageId>>,
    after: u64,
    until: Option<u64>,
    /// The time at the first part: ages count from there.
    now: Option<Timestamp>,
    is_over: bool,
}

impl<'a> Search<'a> {
    fn new(management: &'a RedisManagement, filter: &'a DeadLetterFilter, after: u64) -> Self {
        let ids = filter.ids.clone().map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            ids
        });
        Self {
            management,
            filter,
            ids,
            after,
            until: None,
            now: None,
            is_over: false,
        }
    }

    /// The next ones that match, in their order; none at the end.
    async fn next(&mut self) -> Result<Vec<Dead>, Error> {
        while !self.is_over {
            let mut found = match self.ids.take() {
                Some(ids) => self.by_id(&ids).await?,
                None => self.part(&[]).await?,
            };
            found.retain(|dead| self.fits(&dead.message));
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn by_id(&mut self, ids: &[MessageId]) -> Result<Vec<Dead>, Error> {
        let after = self.after;
        let mut found = Vec::new();
        for part in ids.chunks(FETCH) {
            found.extend(self.part(part).await?);
        }
        found.retain(|dead| dead.number > after);
        found.sort_unstable_by_key(|dead| dead.number);
        self.is_over = true;
        Ok(found)
    }

    /// What one call fetches: these, or without any the next in order.
    async fn part(&mut self, ids: &[MessageId]) -> Result<Vec<Dead>, Error> {
        let until = self.until.map_or_else(String::new, |n| n.to_string());
        let mut arguments = vec![
            self.after.to_string().into_bytes(),
            until.into_bytes(),
            FETCH.to_string().into_bytes(),
        ];
        arguments.extend(ids.iter().map(|id| id.as_bytes().to_vec()));
        let mut items = self.management.settled(&script::DEAD, arguments).await?;
        let now = entry::timestamp(items.number()?);
        self.now.get_or_insert(now);
        let latest = items.number()?;
        self.until.get_or_insert(latest);
        let mut found = Vec::new();
        let mut count = 0;
        while !items.is_empty() {
            let (id, number, record) = (items.id()?, items.number()?, items.bytes()?);
            count += 1;
            if ids.is_empty() {
                self.after = self.after.max(number);
            }
            // One that cannot be read must not hide its neighbours.
            let message = ended(&record);
            found.extend(message.map(|message| Dead {
                id,
                number,
                message,
            }));
        }
        self.is_over |= ids.is_empty() && count < FETCH;
        Ok(found)
    }

    fn fits(&self, dead: &StoredMessage) -> bool {
        let filter = self.filter;
        let now = self.now.unwrap_or_default();
        let age = now.since(dead.ended_at.unwrap_or(now));
        let last_error = dead.errors.last().map_or("", |record| &record.error);
        let (kind, key) = (dead.message.kind(), dead.message.fairness_key());
        filter.kind.as_ref().is_none_or(|asked| asked == kind)
            && filter
                .fairness_key
                .as_ref()
                .is_none_or(|asked| asked == key)
            && filter.older_than.is_none_or(|least| age >= least)
            && filter.newer_than.is_none_or(|most| age < most)
            && filter
                .error_contains
                .as_ref()
                .is_none_or(|text| last_error.contains(text))
    }
}

impl RedisManagement {
    /// One page of the dead letters that match.
    pub(crate) async fn dead_page(
        &self,
        filter: &DeadLetterFilter,
        page: &PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        let after = read_cursor(State::Dead, page.after.as_ref())?;
        let mut search = Search::new(self, filter, after.number);
        let mut found = Vec::new();
        // One more than a page, to know whether there is a next one.
        while found.len() <= page.limit {
            let part = search.next().await?;
            if part.is_empty() {
                break;
            }
            found.extend(part);
        }
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        let next = found.last().filter(|_| more);
        Ok(Page {
            next: next.map(|dead| cursor(State::Dead, dead.row())),
            items: found.into_iter().map(|dead| dead.message).collect(),
        })
    }

    /// Makes those that match ready again, oldest first, until the limit is reached or the queue is full.
    pub(crate) async fn redrive_matching(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        let mut search = Search::new(self, filter, 0);
        let mut left = limit;
        let mut redriven = 0;
        while left > 0 {
            let mut part = search.next().await?;
            if part.is_empty() {
                break;
            }
            part.truncate(left);
            left -= part.len();
            for part in part.chunks(FETCH) {
                let answer = self.settled(&script::REDRIVE, named(part)).await;
                let mut items = answer?;
                redriven += items.number()?;
                if items.number()? == 1 {
                    let full = true;
                    return Ok(Redriven { redriven, full });
                }
            }
        }
        let full = false;
        Ok(Redriven { redriven, full })
    }

    /// Deletes those that match, oldest first, at most `limit`; answers how many.
    pub(crate) async fn delete_matching(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<u64, Error> {
        let mut search = Search::new(self, filter, 0);
        let mut left = limit;
        let mut deleted = 0;
        while left > 0 {
            let mut part = search.next().await?;
            if part.is_empty() {
                break;
            }
            part.truncate(left);
            left -= part.len();
            for part in part.chunks(FETCH) {
                deleted += self.delete_these(named(part)).await?;
            }
        }
        Ok(deleted)
    }
}

/// Each by its id and the number of its death, as scripts take them.
fn named(dead: &[Dead]) -> Vec<Vec<u8>> {
    let name = |dead: &Dead| [dead.id.as_bytes().to_vec(), dead.number.to_string().into()];
    dead.iter().flat_map(name).collect()
}
