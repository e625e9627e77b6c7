use std::time::Duration;

use forebay_queue_core::{
    CancelOutcome, Delivery, Error, ErrorRecord, Explanation, KeyStats, Message, Reason, Redriven,
    SettleOutcome, State, Stats, StoredMessage, ThrottleKey, ThrottleStats, Timestamp, Weight,
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
    Keys(Vec<KeyStats>),
    Buckets(Vec<ThrottleStats>),
    Explained(Vec<Option<Explained>>),
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
    pub(crate) delivered_at: Duration,
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

/// Why a message is not being worked on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Explained {
    state: State,
    reasons: Vec<Waits>,
}

#[derive(Clone, Debug, PartialEq)]
enum Waits {
    Scheduled(Duration),
    Leased(Duration),
    Throttled(String, Duration),
    LeaseLimit(u32),
    Paused,
    Behind(u64),
    Otherwise(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) number: usize,
    kind: String,
    pub(crate) fairness_key: String,
    weight: Option<u16>,
    pub(crate) throttle_keys: Vec<String>,
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
        let text = |key: &ThrottleKey| key.as_str().to_owned();
        let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Content {
            number,
            kind: message.kind().as_str().to_owned(),
            fairness_key: message.fairness_key().as_str().to_owned(),
            weight: message.weight().map(Weight::get),
            throttle_keys: message.throttle_keys().iter().map(text).collect(),
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

    pub(crate) fn explained(&self, explanation: Explanation) -> Explained {
        let waits = |reason: Reason| match reason {
            Reason::Scheduled { until } => Waits::Scheduled(self.time(until)),
            Reason::Leased { until } => Waits::Leased(self.time(until)),
            Reason::Throttled { key, until } => {
                Waits::Throttled(key.as_str().to_owned(), self.time(until))
            }
            Reason::LeaseLimit { limit } => Waits::LeaseLimit(limit.get()),
            Reason::Paused => Waits::Paused,
            Reason::Behind { messages } => Waits::Behind(messages),
            other => Waits::Otherwise(format!("{other:?}")),
        };
        let mut reasons: Vec<Waits> = explanation.reasons.into_iter().map(waits).collect();
        if !self.rules.exact {
            // In which order those stand that were given back, is not promised.
            reasons.retain(|reason| !matches!(reason, Waits::Behind(_)));
        }
        Explained {
            state: explanation.state,
            reasons,
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
