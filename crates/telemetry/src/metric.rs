use std::collections::HashMap;

use prometheus::core::Desc;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Opts};

/// One metric: everything that there is to know about it before the first value.
///
/// The series are made from these, so what [`METRICS`] says is what is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// The name, unit and `_total` included.
    pub name: &'static str,
    /// What sort of metric it is.
    pub kind: MetricKind,
    /// The labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence.
    pub help: &'static str,
}

/// The sort of a [`Metric`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram {
        /// The upper bounds of the buckets, in seconds, without the infinite one.
        buckets: &'static [f64],
    },
}

impl MetricKind {
    /// The name, as after `# TYPE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram { .. } => "histogram",
        }
    }
}

/// Every metric of forebay.
pub const METRICS: &[Metric] = &[
    SENT_MESSAGES,
    CONSUMED_MESSAGES,
    OPERATION_DURATION,
    OPERATION_ERRORS,
    PROCESS_DURATION,
    QUEUE_DWELL,
    WORKER_PROCESSED,
    WORKER_FAILED,
    WORKER_ACTIVE,
    WORKER_PAUSED,
    WORKER_PAUSES,
    QUEUE_DEPTH,
    QUEUE_CAPACITY,
    QUEUE_OLDEST_AGE,
    QUEUE_PAUSED,
    DEAD_LETTERS,
    DEAD_LETTERS_DROPPED,
];

pub(crate) const SENT_MESSAGES: Metric = Metric {
    name: "messaging_client_sent_messages_total",
    kind: MetricKind::Counter,
    labels: &["queue", "backend", "kind", "outcome"],
    help: "Messages given to publish, by outcome: accepted, duplicate, refused (full, invalid, too large, unsupported, \
           closed) or error (every other failure).",
};

pub(crate) const CONSUMED_MESSAGES: Metric = Metric {
    name: "messaging_client_consumed_messages_total",
    kind: MetricKind::Counter,
    labels: &["queue", "backend", "kind"],
    help: "Messages handed out by receive, repeated deliveries included.",
};

pub(crate) const OPERATION_DURATION: Metric = Metric {
    name: "messaging_client_operation_duration_seconds",
    kind: MetricKind::Histogram {
        buckets: &[
            0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01,
            0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        ],
    },
    labels: &["queue", "backend", "operation"],
    help: "How long a call took, by operation: publish, receive, ack, nack, extend; of receive only calls that \
           delivered something.",
};

pub(crate) const OPERATION_ERRORS: Metric = Metric {
    name: "messaging_client_operation_errors_total",
    kind: MetricKind::Counter,
    labels: &["queue", "backend", "operation", "error_type"],
    help: "Calls that failed, by operation and by what was wrong; a call other than receive that its caller dropped \
           counts as dropped.",
};

pub(crate) const PROCESS_DURATION: Metric = Metric {
    name: "messaging_process_duration_seconds",
    kind: MetricKind::Histogram {
        buckets: &[
            0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
            5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0,
        ],
    },
    labels: &["queue", "backend", "kind"],
    help: "How long a handler ran, whatever came of it.",
};

pub(crate) const QUEUE_DWELL: Metric = Metric {
    name: "messaging_queue_dwell_seconds",
    kind: MetricKind::Histogram {
        buckets: &[
            0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0,
        ],
    },
    labels: &["queue", "backend", "kind"],
    help: "How long a message waited, from when it could have run (published, due or redriven) to the start of its \
           handler.",
};

pub(crate) const WORKER_PROCESSED: Metric = Metric {
    name: "messaging_worker_processed_total",
    kind: MetricKind::Counter,
    labels: &["queue", "backend", "kind", "outcome"],
    help: "Deliveries that a worker has dealt with, by outcome: done, retry, snooze, reject, unavailable, dead, \
           lease_lost or released.",
};

pub(crate) const WORKER_FAILED: Metric = Metric {
    name: "messaging_worker_failed_total",
    kind: MetricKind::Counter,
    labels: &["queue", "backend", "kind"],
    help: "Deliveries that failed: retry, reject and dead together.",
};

pub(crate) const WORKER_ACTIVE: Metric = Metric {
    name: "messaging_worker_active",
    kind: MetricKind::Gauge,
    labels: &["queue", "backend", "kind"],
    help: "Handlers that are running.",
};

pub(crate) const WORKER_PAUSED: Metric = Metric {
    name: "messaging_worker_paused",
    kind: MetricKind::Gauge,
    labels: &["queue", "backend"],
    help: "1 while a worker has stopped fetching because a handler said that something is down, else 0.",
};

pub(crate) const WORKER_PAUSES: Metric = Metric {
    name: "messaging_worker_pauses_total",
    kind: MetricKind::Counter,
    labels: &["queue", "backend"],
    help: "How often a worker has stopped fetching because a handler said that something is down.",
};

pub(crate) const QUEUE_DEPTH: Metric = Metric {
    name: "messaging_queue_depth",
    kind: MetricKind::Gauge,
    labels: &["queue", "backend", "state"],
    help: "Messages in the queue, by state: scheduled, ready or leased; together they count against the capacity.",
};

pub(crate) const QUEUE_CAPACITY: Metric = Metric {
    name: "messaging_queue_capacity",
    kind: MetricKind::Gauge,
    labels: &["queue", "backend"],
    help: "The most messages that fit into the queue.",
};

pub(crate) const QUEUE_OLDEST_AGE: Metric = Metric {
    name: "messaging_queue_oldest_age_seconds",
    kind: MetricKind::Gauge,
    labels: &["queue", "backend"],
    help: "How long the message that has been ready longest has been waiting; 0 when none is ready.",
};

pub(crate) const QUEUE_PAUSED: Metric = Metric {
    name: "messaging_queue_paused",
    kind: MetricKind::Gauge,
    labels: &["queue", "backend"],
    help: "1 while hand-outs of the queue are stopped by hand, else 0.",
};

pub(crate) const DEAD_LETTERS: Metric = Metric {
    name: "messaging_dead_letters",
    kind: MetricKind::Gauge,
    labels: &["queue", "backend"],
    help: "Dead letters that the queue keeps.",
};

pub(crate) const DEAD_LETTERS_DROPPED: Metric = Metric {
    name: "messaging_dead_letters_dropped_total",
    kind: MetricKind::Counter,
    labels: &["queue", "backend"],
    help: "Dead letters that were dropped because there were too many.",
};

/// Why making one cannot fail.
const SOUND: &str = "names and labels come from METRICS, and a test makes every one of them";

impl Metric {
    pub(crate) fn desc(&self) -> Desc {
        let labels = self.labels.iter().map(|&l| l.to_owned()).collect();
        Desc::new(
            self.name.to_owned(),
            self.help.to_owned(),
            labels,
            HashMap::new(),
        )
        .expect(SOUND)
    }

    /// A counter for one set of label values, in the order of the labels.
    pub(crate) fn counter(&self, values: &[&str]) -> IntCounter {
        IntCounter::with_opts(self.opts(values)).expect(SOUND)
    }

    /// A gauge for one set of label values.
    pub(crate) fn gauge(&self, values: &[&str]) -> IntGauge {
        IntGauge::with_opts(self.opts(values)).expect(SOUND)
    }

    /// A gauge of a fractional number for one set of label values.
    pub(crate) fn float_gauge(&self, values: &[&str]) -> prometheus::Gauge {
        prometheus::Gauge::with_opts(self.opts(values)).expect(SOUND)
    }

    /// A histogram for one set of label values.
    pub(crate) fn histogram(&self, values: &[&str]) -> Histogram {
        let MetricKind::Histogram { buckets } = self.kind else {
            unreachable!("only the metrics declared as histograms are made as such");
        };
        let opts = HistogramOpts::from(self.opts(values)).buckets(buckets.to_vec());
        Histogram::with_opts(opts).expect(SOUND)
    }

    /// The values are constant labels of a metric of its own. A `MetricVec` would look its children up by a hash over the
    /// values strung together, so that `("a", "b-c")` and `("ab", "-c")` were one.
    fn opts(&self, values: &[&str]) -> Opts {
        assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        let labels = self.labels.iter().zip(values);
        Opts::new(self.name, self.help).const_labels(
            labels
                .map(|(&name, &value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for metric in METRICS {
            assert!(metric.name.starts_with("messaging_"), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == MetricKind::Counter,
                "{}",
                metric.name
            );
            if let MetricKind::Histogram { buckets } = metric.kind {
                assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
                assert!(buckets.is_sorted_by(|a, b| a < b), "{}", metric.name);
            }
            assert!(metric.help.ends_with('.'), "{}", metric.help);
        }
    }

    #[test]
    fn no_label_names_a_message_a_key_or_an_address() {
        let known = [
            "queue",
            "backend",
            "kind",
            "outcome",
            "operation",
            "error_type",
            "state",
        ];
        for metric in METRICS {
            assert!(metric.labels.starts_with(&["queue", "backend"]));
            assert!(metric.labels.iter().all(|l| known.contains(l)));
        }
    }
}
