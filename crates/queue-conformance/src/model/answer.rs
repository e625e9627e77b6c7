use std::time::Duration;

use forebay_queue_core::{
    CancelOutcome, Delivery, Error, ErrorRecord, Message, Redriven, SettleOutcome, State, Stats,
    StoredMessage, Timestamp,
};

use crate::model::rules::Rules;

/// The error texts that deliveries fail with, by their number.
pub(crate) const CAUSES: [&str; 3] = ["no answer", "bad address", "no credit"];

/// What one side answers to an operation, with everything left out that may differ: messages are named by their number, times
/// count from the begin of the queue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    Refused(Refused),
    Published(Vec<Published>),
    Received(Vec<Received>),
    Settled(Vec<SettleOutcome>),
    Cancelled(CancelOutcome),
    Count(u64),
    Redriven(Redriven),
    Messages(Vec<Stored>),
    Stats(Stats),
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refused {
    Full,
    TooLarge,
    Invalid,
    Closed,
    /// What must not happen at all.
    Broken(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Published {
    Accepted(usize),
    Duplicate { first: usize, same: bool },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) message: Content,
    attempt: u32,
    lease: Duration,
    age_from: Duration,
    delivered_at: Duration,
    errors: Vec<Failed>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) message: Content,
    pub(crate) state: State,
    attempt: u32,
    due_at: Option<Duration>,
    leased_until: Option<Duration>,
    ended_at: Option<Duration>,
    errors: Vec<Failed>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) number: usize,
    kind: String,
    fairness_key: String,
    headers: Vec<(String, String)>,
    published_at: Duration,
    deliver_at: Option<Duration>,
    expires_at: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
struct Failed {
    attempt: u32,
    at: Duration,
    /// Empty where the queue itself said why.
    cause: String,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Full { .. } => Self::Full,
            Error::TooLarge { .. } => Self::TooLarge,
            Error::Invalid { .. } => Self::Invalid,
            Error::Closed { .. } => Self::Closed,
            other => Self::Broken(other.to_string()),
        }
    }
}

/// How the times of one side are read.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) rules: Rules,
    /// When the queue began, by that side's clock.
    pub(crate) origin: Timestamp,
}

impl Reading {
    fn time(&self, at: Timestamp) -> Duration {
        self.rules.elapsed(self.origin, at)
    }

    fn errors(&self, errors: &[ErrorRecord]) -> Vec<Failed> {
        let failed = |record: &ErrorRecord| Failed {
            attempt: record.attempt,
            at: self.time(record.at),
            cause: if CAUSES.contains(&&*record.error) {
                record.error.to_string()
            } else {
                String::new()
            },
        };
        errors.iter().map(failed).collect()
    }

    fn content(&self, number: usize, message: &Message) -> Content {
        let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Content {
            number,
            kind: message.kind().as_str().to_owned(),
            fairness_key: message.fairness_key().as_str().to_owned(),
            headers: message.headers().iter().map(header).collect(),
            published_at: self.time(message.published_at()),
            deliver_at: message.deliver_at().map(|at| self.time(at)),
            expires_at: message.expires_at().map(|at| self.time(at)),
        }
    }

    pub(crate) fn received(&self, number: usize, delivery: &Delivery) -> Received {
        Received {
            message: self.content(number, &delivery.message),
            attempt: delivery.attempt,
            lease: delivery.lease,
            age_from: self.time(delivery.age_from),
            delivered_at: self.time(delivery.delivered_at),
            errors: self.errors(&delivery.errors),
        }
    }

    pub(crate) fn stored(&self, number: usize, stored: &StoredMessage) -> Stored {
        // When a store notices that a message has expired is its own affair.
        let noticed = stored.state == State::Expired && !self.rules.exact;
        Stored {
            message: self.content(number, &stored.message),
            state: stored.state,
            attempt: stored.attempt,
            due_at: stored.due_at.map(|at| self.time(at)),
            leased_until: stored.leased_until.map(|at| self.time(at)),
            ended_at: stored.ended_at.map(|at| {
                if noticed {
                    Duration::ZERO
                } else {
                    self.time(at)
                }
            }),
            errors: self.errors(&stored.errors),
        }
    }

    pub(crate) fn stats(&self, stats: Stats) -> Stats {
        // An age is a difference of two times that may both be late.
        let age = |age| {
            if self.rules.exact {
                age
            } else {
                Duration::ZERO
            }
        };
        Stats {
            oldest_age: stats.oldest_age.map(age),
            ..stats
        }
    }
}
