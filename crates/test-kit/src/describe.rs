use std::collections::BTreeMap;
use std::fmt::Write as _;

use forebay_queue_core::{State, StoredMessage, Timestamp};

use crate::delivery_record::MessageRecord;
use crate::stand::Stand;

/// The messages that a list of a failed assertion names; of more, it gives the number.
pub(crate) const MOST_SHOWN: usize = 10;

impl Stand {
    /// A message on one line, and its runs on a line each.
    pub(crate) fn describe(&self, place: usize) -> String {
        self.recorder.look(|journal| {
            let record = &journal.messages[place];
            let stored = self.stored(&record.queue, record.id);
            let state = stored.as_ref().map(|stored| stored.state);
            let mut text = format!(
                "{} {} in queue {}, {} bytes: {}",
                record.message.kind(),
                record.id,
                record.queue,
                record.message.payload().len(),
                self.describe_state(record, stored.as_ref()),
            );
            for run in record.runs(state) {
                let _ = write!(
                    text,
                    "\n    attempt {} at {:?}: {}",
                    run.attempt,
                    run.at.since(self.start),
                    run.ending
                );
            }
            text
        })
    }

    /// Many messages, an indented paragraph each.
    pub(crate) fn describe_all(&self, places: impl IntoIterator<Item = usize>) -> String {
        let places: Vec<_> = places.into_iter().collect();
        let mut text = String::new();
        for place in places.iter().take(MOST_SHOWN) {
            let _ = write!(text, "\n  {}", self.describe(*place));
        }
        if places.len() > MOST_SHOWN {
            let _ = write!(text, "\n  … and {} more", places.len() - MOST_SHOWN);
        }
        text
    }

    /// Kinds and queues of everything that was published, with counts.
    pub(crate) fn describe_published(&self) -> String {
        let mut counts = BTreeMap::new();
        self.recorder.look(|journal| {
            for record in &journal.messages {
                let kind = record.message.kind().as_str().to_owned();
                let queue = record.queue.as_str().to_owned();
                *counts.entry((kind, queue)).or_insert(0_usize) += 1;
            }
        });
        if counts.is_empty() {
            return "nothing was published".to_owned();
        }
        let count = |((kind, queue), count): (&(String, String), &usize)| {
            format!("{count} × {kind} to queue {queue}")
        };
        let counts: Vec<_> = counts.iter().map(count).collect();
        format!("published were: {}", counts.join(", "))
    }

    pub(crate) fn describe_state(
        &self,
        record: &MessageRecord,
        stored: Option<&StoredMessage>,
    ) -> String {
        let Some(stored) = stored else {
            return "gone: purged, or its dead letter deleted".to_owned();
        };
        let now = self.environment.now();
        let left = |at: Option<Timestamp>| at.map_or_else(Default::default, |at| at.since(now));
        match stored.state {
            State::Scheduled => format!("scheduled, due in {:?}", left(stored.due_at)),
            State::Ready => "ready, waiting for a worker".to_owned(),
            State::Leased if record.is_running(Some(State::Leased)) => {
                format!("running, its lease ends in {:?}", left(stored.leased_until))
            }
            State::Leased => "fetched by a worker, not started".to_owned(),
            State::Dead => {
                let last = stored.errors.last();
                let cause = last.map_or("no cause was given", |last| &*last.error);
                format!("dead: {cause}")
            }
            state => state.to_string(),
        }
    }
}
