use std::time::Duration;

use forebay_queue_core::{
    CancelOutcome, Delivery, Event, Headers, Kind, MessageId, Observer, Operation, ProcessOutcome,
    PublishOutcome, Response, SettleOutcome, Source,
};
use tracing::{debug, trace};

use crate::context;

/// Writes what happens as structured `tracing` events with the target `forebay`, and hands trace context to the
/// messages that are published.
///
/// | level | events |
/// |---|---|
/// | DEBUG | every operation, with its counts; every handler that starts; every delivery that was dealt with; pauses |
/// | TRACE | each message of a publish and of a receive; a receive that delivered nothing |
///
/// It warns of nothing: the worker itself writes failures, dead letters and pauses at WARN, with their causes.
///
/// Fields: `backend`, `queue`, `operation`, `message_id`, `kind`, `attempt`, `outcome`, `duration_ms`. The text of an error
/// is written, its source is not: a client library may put an address or a credential there.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingObserver;

impl TracingObserver {
    /// The observer.
    pub const fn new() -> Self {
        Self
    }
}

impl Observer for TracingObserver {
    fn observe(&self, event: &Event<'_>) {
        match *event {
            Event::Returned {
                source,
                operation,
                elapsed,
                ref response,
                ..
            } => returned(source, operation, elapsed, response),
            Event::Started {
                source,
                delivery,
                dwell,
            } => debug!(
                target: "forebay",
                backend = source.backend,
                queue = source.queue.as_str(),
                message_id = %delivery.message.id(),
                kind = delivery.message.kind().as_str(),
                attempt = delivery.attempt,
                dwell_ms = millis(dwell),
                "handler started"
            ),
            Event::Processed {
                source,
                kind,
                id,
                attempt,
                outcome,
                elapsed,
            } => processed(source, kind, id, attempt, outcome, elapsed),
            Event::Paused { source, pause } => debug!(
                target: "forebay",
                backend = source.backend,
                queue = source.queue.as_str(),
                duration_ms = millis(pause),
                "worker pauses: something that a handler depends on is down"
            ),
            Event::Resumed { source } => debug!(
                target: "forebay",
                backend = source.backend,
                queue = source.queue.as_str(),
                "worker goes on"
            ),
            _ => {}
        }
    }

    fn inject(&self, headers: &mut Headers) {
        context::inject(headers);
    }
}

/// One event of an operation, with the fields that all of them have.
macro_rules! operation {
    ($level:ident, $source:ident, $operation:ident, $elapsed:ident, $($rest:tt)*) => {
        $level!(
            target: "forebay",
            backend = $source.backend,
            queue = $source.queue.as_str(),
            operation = $operation.as_str(),
            duration_ms = millis($elapsed),
            $($rest)*
        )
    };
}

fn returned(source: Source<'_>, operation: Operation, elapsed: Duration, response: &Response<'_>) {
    match *response {
        Response::Published(outcomes, kinds) => {
            let duplicates = outcomes.iter().filter(|o| o.is_duplicate()).count();
            let accepted = outcomes.len() - duplicates;
            operation!(
                debug,
                source,
                operation,
                elapsed,
                accepted,
                duplicates,
                "published"
            );
            each_published(source, outcomes, kinds);
        }
        Response::Delivered([]) => {
            operation!(trace, source, operation, elapsed, "nothing to receive");
        }
        Response::Delivered(deliveries) => {
            let count = deliveries.len();
            operation!(debug, source, operation, elapsed, count, "received");
            each_delivered(source, deliveries);
        }
        Response::Settled(outcomes) => {
            let lost = |o: &&SettleOutcome| **o == SettleOutcome::LeaseLost;
            let lease_lost = outcomes.iter().filter(lost).count();
            let count = outcomes.len();
            operation!(
                debug, source, operation, elapsed, count, lease_lost, "settled"
            );
        }
        Response::Cancelled(outcome) => {
            let outcome = cancel_outcome(outcome);
            operation!(
                debug,
                source,
                operation,
                elapsed,
                outcome,
                "cancel answered"
            );
        }
        Response::Redriven(done) => {
            operation!(
                debug,
                source,
                operation,
                elapsed,
                count = done.redriven,
                full = done.full,
                "redriven"
            );
        }
        Response::Done(count) => {
            operation!(debug, source, operation, elapsed, count, "done");
        }
        Response::Failed(error, kinds) => {
            operation!(debug, source, operation, elapsed, messages = kinds.len(), error = %error, "failed");
        }
        Response::Dropped => {
            operation!(debug, source, operation, elapsed, "dropped by its caller");
        }
        _ => {}
    }
}

fn each_published(source: Source<'_>, outcomes: &[PublishOutcome], kinds: &[Kind]) {
    for (outcome, kind) in outcomes.iter().zip(kinds) {
        trace!(
            target: "forebay",
            backend = source.backend,
            queue = source.queue.as_str(),
            message_id = %outcome.id(),
            kind = kind.as_str(),
            outcome = if outcome.is_duplicate() { "duplicate" } else { "accepted" },
            "message published"
        );
    }
}

fn each_delivered(source: Source<'_>, deliveries: &[Delivery]) {
    for delivery in deliveries {
        trace!(
            target: "forebay",
            backend = source.backend,
            queue = source.queue.as_str(),
            message_id = %delivery.message.id(),
            kind = delivery.message.kind().as_str(),
            attempt = delivery.attempt,
            "message received"
        );
    }
}

fn processed(
    source: Source<'_>,
    kind: &Kind,
    id: MessageId,
    attempt: u32,
    outcome: ProcessOutcome,
    elapsed: Option<Duration>,
) {
    debug!(
        target: "forebay",
        backend = source.backend,
        queue = source.queue.as_str(),
        message_id = %id,
        kind = kind.as_str(),
        attempt,
        outcome = outcome.as_str(),
        duration_ms = elapsed.map(millis),
        "delivery processed"
    );
}

fn cancel_outcome(outcome: CancelOutcome) -> &'static str {
    match outcome {
        CancelOutcome::Cancelled => "cancelled",
        CancelOutcome::NotFound => "not_found",
        CancelOutcome::AlreadyRunning => "already_running",
        CancelOutcome::AlreadyOver => "already_over",
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
