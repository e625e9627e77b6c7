use forebay_queue_core::{
    DeadLetterFilter, Error, Page, PageRequest, Redriven, State, StoredMessage, Timestamp,
};

use crate::archive::Ended;
use crate::browse::{cut, read_cursor};
use crate::engine::{Cause, Engine};
use crate::entry::Entry;

impl Engine {
    /// The dead letters that match, in order of death.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another listing.
    pub fn dead_letters(
        &mut self,
        now: Timestamp,
        filter: &DeadLetterFilter,
        page: &PageRequest,
    ) -> Result<Page<StoredMessage>, Error> {
        self.settle_time(now);
        let after = read_cursor(State::Dead, page.after.as_ref())?;
        let numbers = self.matching(filter, after, page.limit.saturating_add(1));
        let view = |n| self.dead.get(n).map(|ended| (n, ended.view()));
        let mut items = numbers.into_iter().filter_map(view).collect();
        Ok(cut(State::Dead, &mut items, page.limit))
    }

    /// Makes dead letters ready again, oldest first, until the limit is reached or the queue is full.
    pub fn redrive(&mut self, now: Timestamp, filter: &DeadLetterFilter, limit: usize) -> Redriven {
        self.settle_time(now);
        let mut redriven = 0;
        for number in self.matching(filter, 0, limit) {
            if self.room() == 0 {
                return Redriven {
                    redriven,
                    full: true,
                };
            }
            if let Some(dead) = self.dead.remove(number) {
                self.revive(number, dead);
                redriven += 1;
            }
        }
        Redriven {
            redriven,
            full: false,
        }
    }

    fn revive(&mut self, number: u64, dead: Ended) {
        let mut history = dead.history.unwrap_or_default();
        history.redriven_at = Some(self.now);
        let mut entry = Entry::new(dead.message, 0);
        entry.history = Some(history);
        let slot = self.insert(entry, None);
        self.renew_key(slot);
        self.put_back(slot, self.now, Cause::Redriven(number));
    }

    /// Deletes dead letters, oldest first; answers how many.
    pub fn delete_dead_letters(
        &mut self,
        now: Timestamp,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> u64 {
        self.settle_time(now);
        let numbers = self.matching(filter, 0, limit);
        let delete = |n: &u64| self.dead.delete(*n, &mut self.journal);
        numbers.into_iter().filter(delete).count() as u64
    }

    /// The numbers of the first `limit` dead letters after `after` that match. With ids only those are looked at.
    fn matching(&self, filter: &DeadLetterFilter, after: u64, limit: usize) -> Vec<u64> {
        if let Some(ids) = &filter.ids {
            let mut numbers: Vec<u64> = ids.iter().filter_map(|id| self.dead.number(*id)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let matches =
                |n: &u64| *n > after && self.dead.get(*n).is_some_and(|d| self.fits(filter, d));
            numbers.retain(matches);
            numbers.truncate(limit);
            return numbers;
        }
        let fitting = self
            .dead
            .after(after)
            .filter(|(_, dead)| self.fits(filter, dead));
        fitting.take(limit).map(|(number, _)| number).collect()
    }

    fn fits(&self, filter: &DeadLetterFilter, dead: &Ended) -> bool {
        let age = self.now.since(dead.at);
        filter
            .kind
            .as_ref()
            .is_none_or(|kind| dead.message.kind() == kind)
            && filter
                .fairness_key
                .as_ref()
                .is_none_or(|key| dead.message.fairness_key() == key)
            && filter.older_than.is_none_or(|least| age >= least)
            && filter.newer_than.is_none_or(|most| age < most)
            && filter
                .error_contains
                .as_ref()
                .is_none_or(|text| dead.last_error().contains(text))
    }
}
