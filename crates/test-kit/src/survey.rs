use std::time::Duration;

use forebay_queue_core::{QueueName, State, StoredMessage, Timestamp};

use crate::delivery_record::MessageRecord;
use crate::stand::{Stand, at_once};

/// What is left in all queues at one moment.
pub(crate) struct Survey {
    /// Messages that are scheduled, ready or leased.
    pub(crate) live: u64,
    /// When something happens to one of them without anyone's doing.
    pub(crate) next: Option<Timestamp>,
    /// Queues whose hand-outs are stopped.
    pub(crate) paused: Vec<QueueName>,
}

impl Stand {
    /// How many messages are scheduled, ready or leased.
    pub(crate) fn live(&self) -> u64 {
        let stats = |queue| at_once(self.management(queue)?.stats()).ok();
        let queues = self.queues();
        queues.iter().filter_map(stats).map(|s| s.live()).sum()
    }

    pub(crate) fn survey(&self) -> Survey {
        let mut survey = Survey {
            live: self.live(),
            next: None,
            paused: Vec::new(),
        };
        let now = self.environment.now();
        for queue in self.queues() {
            for state in [State::Scheduled, State::Ready, State::Leased] {
                let times = self.list(&queue, state);
                let times = times.iter().filter_map(next_event).filter(|at| *at > now);
                survey.next = survey.next.into_iter().chain(times).min();
            }
            let stats = self.management(&queue).map(|m| at_once(m.stats()));
            if let Some(Ok(stats)) = stats
                && stats.paused
            {
                survey.paused.push(queue);
            }
        }
        survey
    }

    /// For how long the handler that has been running longest has been.
    pub(crate) fn longest_run(&self) -> Duration {
        let now = self.environment.now();
        let leased = |queue: QueueName| {
            let leased = self.list(&queue, State::Leased).into_iter();
            leased.map(move |stored| (queue.clone(), stored.message.id()))
        };
        let leased: Vec<_> = self.queues().into_iter().flat_map(leased).collect();
        self.recorder.look(|journal| {
            let started = leased
                .iter()
                .filter_map(|(queue, id)| journal.started_at(queue, *id));
            started.map(|at| now.since(at)).max().unwrap_or_default()
        })
    }

    /// The places of the messages that have not ended.
    pub(crate) fn unfinished(&self) -> Vec<usize> {
        self.recorder.look(|journal| {
            let lives = |(place, record): (usize, &MessageRecord)| {
                let state = self.stored(&record.queue, record.id)?.state;
                matches!(state, State::Scheduled | State::Ready | State::Leased).then_some(place)
            };
            journal
                .messages
                .iter()
                .enumerate()
                .filter_map(lives)
                .collect()
        })
    }
}

fn next_event(stored: &StoredMessage) -> Option<Timestamp> {
    match stored.state {
        State::Leased => stored.leased_until,
        State::Scheduled => {
            let times = stored.due_at.into_iter();
            times.chain(stored.message.expires_at()).min()
        }
        _ => stored.message.expires_at(),
    }
}
