use std::fmt;
use std::time::Duration;

use forebay_queue_core::{
    Delivery, Error, Event, Kind, Observer, Operation, PublishOutcome, Response, Source, Stats,
};
use prometheus::{Registry, TextEncoder};

use crate::series::Series;
use crate::series_of_kind::Sent;

/// The content type of what [`PrometheusObserver::encode`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Keeps the metrics of [`METRICS`](crate::METRICS) for every queue whose events it sees.
///
/// Cheap to clone; clones share everything. The gauges of a queue (depth, capacity, age, dead letters) come from
/// [`observe_stats`](Self::observe_stats), which the application calls from time to time, for example before it
/// answers a scrape.
///
/// # What is measured how
/// * A `receive` enters the histogram of operations only when it delivered something. An idle one takes as long as its
///   caller wanted to wait, and says nothing about the backend. One that waited a while and then delivered counts with
///   its wait, so on a quiet queue read the lower quantiles of `receive`.
/// * All other timed operations enter it with every answer, failures included. A call that its caller dropped does not:
///   it counts in `messaging_client_operation_errors_total` as `dropped`, unless it was a `receive`, for which
///   that is an ordinary end.
/// * Handlers that run are counted between `Event::Started` and the `Event::Processed` of the same delivery that
///   carries a time. A worker tells both exactly once.
/// * Of one queue 256 kinds are told apart; the messages of all further ones count under the kind `_other`.
///
/// ```
/// use std::sync::Arc;
/// use forebay_queue_core::{Observers, QueueName, Source, Stats};
/// use forebay_telemetry::PrometheusObserver;
///
/// let metrics = PrometheusObserver::new();
/// let observers = Observers::none().with(Arc::new(metrics.clone()));
/// // … give `observers` to the backend and the worker, and before each scrape:
/// let source = Source { backend: "memory", queue: &QueueName::from_static("emails") };
/// metrics.observe_stats(source, &Stats { ready: 3, ..Stats::default() });
/// assert!(metrics.encode().contains(
///     r#"messaging_queue_depth{backend="memory",queue="emails",state="ready"} 3"#
/// ));
/// # assert!(!observers.is_empty());
/// ```
#[derive(Clone)]
pub struct PrometheusObserver {
    registry: Registry,
    series: Series,
}

/// The registry refused the metrics: it has some of the same name already.
#[derive(Debug, thiserror::Error)]
#[error(
    "the registry refused the metrics of forebay; register one observer per registry and share its clones"
)]
pub struct RegisterError {
    #[source]
    source: prometheus::Error,
}

impl PrometheusObserver {
    /// An observer with a registry of its own.
    ///
    /// # Panics
    /// Never: an empty registry takes them.
    pub fn new() -> Self {
        Self::register_in(Registry::new()).expect("an empty registry takes all metrics")
    }

    /// An observer whose metrics appear in this registry.
    ///
    /// # Errors
    /// When the registry has metrics of these names, for example of another observer.
    pub fn register_in(registry: Registry) -> Result<Self, RegisterError> {
        let series = Series::default();
        registry
            .register(Box::new(series.clone()))
            .map_err(|source| RegisterError { source })?;
        Ok(Self { registry, series })
    }

    /// The registry, to add further metrics to.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Sets the gauges of a queue, and counts the dead letters that it has dropped since it was last asked.
    pub fn observe_stats(&self, source: Source<'_>, stats: &Stats) {
        self.series.of_queue(source, |queue| queue.stats(stats));
    }

    /// Drops all series of a queue, after it was deleted: else its last depth would stand for ever.
    pub fn forget(&self, source: Source<'_>) {
        self.series.forget(source);
    }

    /// Everything in the registry in the text format of Prometheus, version 0.0.4; serve it as [`CONTENT_TYPE`].
    ///
    /// A metric of someone else that cannot be written is left out.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        for family in self.registry.gather() {
            let end = text.len();
            let encoded = TextEncoder::new().encode_utf8(&[family], &mut text);
            if encoded.is_err() {
                text.truncate(end);
            }
        }
        text
    }

    fn returned(
        &self,
        source: Source<'_>,
        operation: Operation,
        elapsed: Duration,
        response: &Response<'_>,
    ) {
        let idle = match response {
            Response::Delivered(deliveries) => deliveries.is_empty(),
            Response::Failed(..) => operation == Operation::Receive,
            Response::Dropped => true,
            _ => false,
        };
        let error_type = match response {
            Response::Failed(error, _) => Some(error_type(error)),
            Response::Dropped if operation != Operation::Receive => Some("dropped"),
            _ => None,
        };
        if !idle || error_type.is_some() {
            self.series.of_queue(source, |queue| {
                if !idle {
                    queue.took(operation, elapsed);
                }
                if let Some(error_type) = error_type {
                    queue.failed(operation, error_type);
                }
            });
        }
        match response {
            Response::Published(outcomes, kinds) => self.published(source, outcomes, kinds),
            Response::Failed(error, kinds) => self.not_published(source, error, kinds),
            Response::Delivered(deliveries) => self.delivered(source, deliveries),
            _ => {}
        }
    }

    fn published(&self, source: Source<'_>, outcomes: &[PublishOutcome], kinds: &[Kind]) {
        let mut rest = outcomes;
        for run in kinds.chunk_by(|a, b| a == b) {
            let (these, others) = rest.split_at(run.len().min(rest.len()));
            rest = others;
            let duplicates = these.iter().filter(|o| o.is_duplicate()).count();
            self.sent(source, &run[0], |sent| {
                add(&sent.accepted, these.len() - duplicates);
                add(&sent.duplicate, duplicates);
            });
        }
    }

    fn not_published(&self, source: Source<'_>, error: &Error, kinds: &[Kind]) {
        let refused = is_refusal(error);
        for run in kinds.chunk_by(|a, b| a == b) {
            self.sent(source, &run[0], |sent| {
                let counter = if refused { &sent.refused } else { &sent.error };
                add(counter, run.len());
            });
        }
    }

    fn sent(&self, source: Source<'_>, kind: &Kind, f: impl FnOnce(&Sent)) {
        self.series.of_kind(source, kind, |s| f(s.sent()));
    }

    fn delivered(&self, source: Source<'_>, deliveries: &[Delivery]) {
        let same_kind = |a: &Delivery, b: &Delivery| a.message.kind() == b.message.kind();
        for run in deliveries.chunk_by(same_kind) {
            self.series.of_kind(source, run[0].message.kind(), |s| {
                add(s.consumed(), run.len());
            });
        }
    }
}

impl Observer for PrometheusObserver {
    fn observe(&self, event: &Event<'_>) {
        match *event {
            Event::Returned {
                source,
                operation,
                elapsed,
                ref response,
                ..
            } => self.returned(source, operation, elapsed, response),
            Event::Started {
                source,
                delivery,
                dwell,
            } => self
                .series
                .of_kind(source, delivery.message.kind(), |s| s.work().started(dwell)),
            Event::Processed {
                source,
                kind,
                outcome,
                elapsed,
                ..
            } => self
                .series
                .of_kind(source, kind, |s| s.work().processed(outcome, elapsed)),
            Event::Paused { source, .. } => self.series.of_queue(source, |q| q.paused(true)),
            Event::Resumed { source } => self.series.of_queue(source, |q| q.paused(false)),
            _ => {}
        }
    }
}

impl Default for PrometheusObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PrometheusObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusObserver").finish_non_exhaustive()
    }
}

fn add(counter: &prometheus::IntCounter, count: usize) {
    if count > 0 {
        counter.inc_by(count as u64);
    }
}

/// Whether the queue said no, as opposed to: nobody knows, or nobody was there to say anything.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Full { .. }
            | Error::Invalid { .. }
            | Error::TooLarge { .. }
            | Error::Unsupported { .. }
            | Error::Closed { .. }
    )
}

fn error_type(error: &Error) -> &'static str {
    match error {
        Error::QueueNotFound { .. } => "queue_not_found",
        Error::Invalid { .. } => "invalid",
        Error::TooLarge { .. } => "too_large",
        Error::Unsupported { .. } => "unsupported",
        Error::Full { .. } => "full",
        Error::Closed { .. } => "closed",
        Error::Unavailable { .. } => "unavailable",
        Error::Interrupted { .. } => "interrupted",
        Error::Contract { .. } => "contract",
        _ => "other",
    }
}
