use std::time::Duration;

use forebay_queue_core::{
    MessageId, NackAction, NewMessage, ProcessOutcome, QueueName, State, Timestamp,
};

use crate::{Ending, Run};

/// Everything that is known of one message.
pub(crate) struct MessageRecord {
    pub(crate) queue: QueueName,
    pub(crate) id: MessageId,
    pub(crate) message: NewMessage,
    pub(crate) published_at: Timestamp,
    /// How many further publishes were answered with this message.
    pub(crate) duplicates: usize,
    pub(crate) deliveries: Vec<DeliveryRecord>,
}

/// One time that it was handed out.
pub(crate) struct DeliveryRecord {
    pub(crate) attempt: u32,
    pub(crate) delivered_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    /// How long the handler ran.
    pub(crate) took: Option<Duration>,
    /// What the store did when it was settled.
    pub(crate) settled: Option<Settled>,
    /// What the worker says about it.
    pub(crate) verdict: Option<ProcessOutcome>,
}

#[derive(Clone)]
pub(crate) enum Settled {
    Acked,
    Nacked {
        action: NackAction,
        cause: Option<Box<str>>,
    },
}

impl MessageRecord {
    /// The deliveries that count: all but those that a worker fetched ahead and gave back, or still holds unstarted.
    pub(crate) fn runs(&self, state: Option<State>) -> Vec<Run> {
        let last = self.deliveries.len().saturating_sub(1);
        let is_leased = state == Some(State::Leased);
        let deliveries = self.deliveries.iter().enumerate();
        deliveries
            .filter_map(|(index, delivery)| delivery.run(index == last && is_leased))
            .collect()
    }

    /// Whether a handler has it.
    pub(crate) fn is_running(&self, state: Option<State>) -> bool {
        let last = self.deliveries.last();
        state == Some(State::Leased) && last.is_some_and(|d| d.started_at.is_some())
    }
}

impl DeliveryRecord {
    pub(crate) fn new(attempt: u32, delivered_at: Timestamp) -> Self {
        Self {
            attempt,
            delivered_at,
            started_at: None,
            took: None,
            settled: None,
            verdict: None,
        }
    }

    fn run(&self, is_held: bool) -> Option<Run> {
        let ending = self.ending(is_held);
        let never_ran = self.started_at.is_none();
        if never_ran && matches!(ending, Ending::Running | Ending::Released) {
            return None;
        }
        Some(Run {
            attempt: self.attempt,
            at: self.started_at.unwrap_or(self.delivered_at),
            took: self.took,
            ending,
        })
    }

    /// What the store did counts before what the worker believes.
    fn ending(&self, is_held: bool) -> Ending {
        let Some(settled) = &self.settled else {
            return if is_held && self.verdict.is_none() {
                Ending::Running
            } else {
                Ending::LeaseLost
            };
        };
        let Settled::Nacked { action, cause } = settled else {
            return Ending::Done;
        };
        let cause = cause.as_deref().unwrap_or_default().to_owned();
        match (*action, self.verdict) {
            (NackAction::Retry { after }, _) => Ending::Retried { after, cause },
            (NackAction::Release { after }, Some(ProcessOutcome::Snooze)) => {
                Ending::Snoozed { after }
            }
            (NackAction::Release { after }, Some(ProcessOutcome::Unavailable)) => {
                Ending::Unavailable { after }
            }
            (NackAction::Release { .. }, _) => Ending::Released,
            (NackAction::DeadLetter, Some(ProcessOutcome::Dead)) => Ending::Dead { cause },
            (NackAction::DeadLetter, _) => Ending::Rejected { cause },
        }
    }
}
