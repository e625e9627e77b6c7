//! What the observer renders, line by line.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::scripted::{Answer, ID, Scripted, Store, delivery, message, unavailable};
use forebay_queue_core::{
    Capability, Error, Event, Kind, Observer, Observers, ProcessOutcome, PublishOutcome, Queue,
    QueueName, SettleOutcome, Source, Stats, observed,
};
use forebay_telemetry::{CONTENT_TYPE, METRICS, MetricKind, PrometheusObserver};

const MS: Duration = Duration::from_millis(1);

static EMAILS: QueueName = QueueName::from_static("emails");

const SOURCE: Source<'static> = Source {
    backend: "memory",
    queue: &EMAILS,
};

async fn open(
    answers: impl IntoIterator<Item = (Duration, Answer)>,
) -> (PrometheusObserver, Arc<dyn Queue>) {
    let metrics = PrometheusObserver::new();
    let observers = Observers::none().with(Arc::new(metrics.clone()));
    let backend = observed(Arc::new(Store(Scripted::new(answers))), observers);
    let queue = backend.open(&EMAILS, None).await.unwrap();
    (metrics, queue)
}

/// The lines that begin so, without comments.
fn lines(metrics: &PrometheusObserver, prefix: &str) -> Vec<String> {
    let text = metrics.encode();
    let matching = text.lines().filter(|l| l.starts_with(prefix));
    matching.map(str::to_owned).collect()
}

#[track_caller]
fn has(metrics: &PrometheusObserver, line: &str) {
    let text = metrics.encode();
    assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
}

fn sent(kind: &str, outcome: &str, count: u64) -> String {
    format!(
        "messaging_client_sent_messages_total{{backend=\"scripted\",kind=\"{kind}\",outcome=\"{outcome}\",\
         queue=\"emails\"}} {count}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_publish_counts_each_message_under_its_kind_and_outcome() {
    let accepted = PublishOutcome::Accepted(ID);
    let duplicate = PublishOutcome::Duplicate {
        id: ID,
        same_fingerprint: true,
    };
    let outcomes = vec![accepted, duplicate, accepted, accepted];
    let (metrics, queue) = open([(3 * MS, Answer::Publish(Ok(outcomes)))]).await;
    let batch = ["a", "a", "b", "a"].map(message);
    queue.publish(batch.into(), Duration::ZERO).await.unwrap();
    assert_eq!(
        lines(&metrics, "messaging_client_sent"),
        [
            sent("a", "accepted", 2),
            sent("a", "duplicate", 1),
            sent("a", "error", 0),
            sent("a", "refused", 0),
            sent("b", "accepted", 1),
            sent("b", "duplicate", 0),
            sent("b", "error", 0),
            sent("b", "refused", 0),
        ]
    );
    let labels = r#"backend="scripted",operation="publish",queue="emails""#;
    let name = "messaging_client_operation_duration_seconds";
    has(
        &metrics,
        &format!("{name}_bucket{{{labels},le=\"0.0025\"}} 0"),
    );
    has(
        &metrics,
        &format!("{name}_bucket{{{labels},le=\"0.005\"}} 1"),
    );
    has(&metrics, &format!("{name}_sum{{{labels}}} 0.003"));
    has(&metrics, &format!("{name}_count{{{labels}}} 1"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_an_error_are_told_apart() {
    let queue_name = EMAILS.clone();
    let refusals = [
        Error::Full {
            queue: queue_name.clone(),
            what: "messages",
            limit: 1,
        },
        Error::Invalid {
            what: "x",
            problem: String::new(),
            allowed: "y",
        },
        Error::TooLarge {
            what: "x",
            size: 2,
            limit: 1,
        },
        Error::Unsupported {
            backend: "scripted",
            capability: Capability::Delay,
        },
        Error::Closed { queue: queue_name },
    ];
    let interrupted = Error::Interrupted {
        backend: "scripted",
        source: None,
    };
    let failures = refusals.into_iter().chain([unavailable(), interrupted]);
    let script: Vec<_> = failures
        .map(|e| (Duration::ZERO, Answer::Publish(Err(e))))
        .collect();
    let calls = script.len();
    let (metrics, queue) = open(script).await;
    for _ in 0..calls {
        let batch = vec![message("a"), message("a")];
        queue.publish(batch, Duration::ZERO).await.unwrap_err();
    }
    has(&metrics, &sent("a", "accepted", 0));
    has(&metrics, &sent("a", "refused", 10));
    has(&metrics, &sent("a", "error", 4));
    for error_type in [
        "full",
        "invalid",
        "too_large",
        "unsupported",
        "closed",
        "unavailable",
        "interrupted",
    ] {
        has(
            &metrics,
            &format!(
                "messaging_client_operation_errors_total{{backend=\"scripted\",error_type=\"{error_type}\",\
                 operation=\"publish\",queue=\"emails\"}} 1"
            ),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_receive_leaves_the_histogram_alone() {
    let found = vec![
        delivery(message("a")),
        delivery(message("b")),
        delivery(message("b")),
    ];
    let (metrics, queue) = open([
        (20_000 * MS, Answer::Receive(Ok(vec![]))),
        (20_000 * MS, Answer::Receive(Err(unavailable()))),
        (Duration::ZERO, Answer::Never),
        (2 * MS, Answer::Receive(Ok(found))),
    ])
    .await;
    let wait = 20_000 * MS;
    assert!(queue.receive(16, wait).await.unwrap().is_empty());
    queue.receive(16, wait).await.unwrap_err();
    tokio::time::timeout(wait, queue.receive(16, wait))
        .await
        .unwrap_err();
    assert!(lines(&metrics, "messaging_client_operation_duration").is_empty());
    queue.receive(16, wait).await.unwrap();
    let labels = r#"backend="scripted",operation="receive",queue="emails""#;
    let name = "messaging_client_operation_duration_seconds";
    has(&metrics, &format!("{name}_sum{{{labels}}} 0.002"));
    has(&metrics, &format!("{name}_count{{{labels}}} 1"));
    assert_eq!(
        lines(&metrics, "messaging_client_consumed"),
        ["a", "b"].iter().zip([1, 2]).map(|(kind, n)| format!(
            "messaging_client_consumed_messages_total{{backend=\"scripted\",kind=\"{kind}\",queue=\"emails\"}} {n}"
        )).collect::<Vec<_>>()
    );
    assert_eq!(
        lines(&metrics, "messaging_client_operation_errors"),
        [
            "messaging_client_operation_errors_total{backend=\"scripted\",error_type=\"unavailable\",\
             operation=\"receive\",queue=\"emails\"} 1"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn settling_is_timed_and_a_dropped_call_is_an_error() {
    let settled = || Answer::Settle(Ok(vec![SettleOutcome::Done]));
    let (metrics, queue) = open([
        (MS, settled()),
        (MS, settled()),
        (MS, settled()),
        (Duration::ZERO, Answer::Never),
    ])
    .await;
    let delivery = delivery(message("a"));
    delivery.extend(&*queue).await.unwrap();
    delivery.clone().retry(&*queue, MS, "x").await.unwrap();
    delivery.clone().ack(&*queue).await.unwrap();
    tokio::time::timeout(MS, delivery.ack(&*queue))
        .await
        .unwrap_err();
    for operation in ["extend", "nack", "ack"] {
        has(
            &metrics,
            &format!(
                "messaging_client_operation_duration_seconds_count{{backend=\"scripted\",operation=\"{operation}\",\
                 queue=\"emails\"}} 1"
            ),
        );
    }
    has(
        &metrics,
        "messaging_client_operation_errors_total{backend=\"scripted\",error_type=\"dropped\",operation=\"ack\",\
         queue=\"emails\"} 1",
    );
}

fn start(metrics: &PrometheusObserver, source: Source<'_>, kind: &'static str) {
    metrics.observe(&Event::Started {
        source,
        delivery: &delivery(message(kind)),
        dwell: 40 * MS,
    });
}

fn finish(
    metrics: &PrometheusObserver,
    source: Source<'_>,
    outcome: ProcessOutcome,
    elapsed: Option<Duration>,
) {
    metrics.observe(&Event::Processed {
        source,
        kind: &Kind::from_static("a"),
        id: ID,
        attempt: 1,
        outcome,
        elapsed,
    });
}

#[test]
fn a_worker_is_counted_by_outcome() {
    let metrics = PrometheusObserver::new();
    let source = SOURCE;
    let labels = r#"backend="memory",kind="a",queue="emails""#;
    for _ in 0..=ProcessOutcome::ALL.len() {
        start(&metrics, source, "a");
    }
    for outcome in ProcessOutcome::ALL {
        finish(&metrics, source, outcome, Some(2_000 * MS));
    }
    // Given back before its handler began: nothing ends that had not started.
    finish(&metrics, source, ProcessOutcome::Released, None);
    for outcome in ProcessOutcome::ALL {
        let count = 1 + u32::from(outcome == ProcessOutcome::Released);
        has(
            &metrics,
            &format!(
                "messaging_worker_processed_total{{backend=\"memory\",kind=\"a\",outcome=\"{}\",queue=\"emails\"}} {count}",
                outcome.as_str()
            ),
        );
    }
    has(
        &metrics,
        &format!("messaging_worker_failed_total{{{labels}}} 3"),
    );
    has(&metrics, &format!("messaging_worker_active{{{labels}}} 1"));
    let process = "messaging_process_duration_seconds";
    has(&metrics, &format!("{process}_count{{{labels}}} 8"));
    has(&metrics, &format!("{process}_sum{{{labels}}} 16"));
    let dwell = "messaging_queue_dwell_seconds";
    has(
        &metrics,
        &format!("{dwell}_bucket{{{labels},le=\"0.05\"}} 9"),
    );
    has(
        &metrics,
        &format!("{dwell}_bucket{{{labels},le=\"0.025\"}} 0"),
    );
}

#[test]
fn pauses_show_while_they_last_and_are_counted() {
    let metrics = PrometheusObserver::new();
    let source = SOURCE;
    let pause = || metrics.observe(&Event::Paused { source, pause: MS });
    let labels = r#"{backend="memory",queue="emails"}"#;
    pause();
    pause();
    has(&metrics, &format!("messaging_worker_paused{labels} 1"));
    metrics.observe(&Event::Resumed { source });
    has(&metrics, &format!("messaging_worker_paused{labels} 0"));
    has(
        &metrics,
        &format!("messaging_worker_pauses_total{labels} 2"),
    );
}

#[test]
fn statistics_set_the_gauges_until_the_queue_is_forgotten() {
    let metrics = PrometheusObserver::new();
    let source = SOURCE;
    let stats = Stats {
        scheduled: 1,
        ready: 2,
        leased: 3,
        dead: 4,
        capacity: 10,
        oldest_age: Some(1_500 * MS),
        paused: true,
        ..Stats::default()
    };
    metrics.observe_stats(source, &stats);
    let text = metrics.encode();
    let values: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(
        values,
        [
            r#"messaging_dead_letters{backend="memory",queue="emails"} 4"#,
            r#"messaging_dead_letters_dropped_total{backend="memory",queue="emails"} 0"#,
            r#"messaging_queue_capacity{backend="memory",queue="emails"} 10"#,
            r#"messaging_queue_depth{backend="memory",queue="emails",state="leased"} 3"#,
            r#"messaging_queue_depth{backend="memory",queue="emails",state="ready"} 2"#,
            r#"messaging_queue_depth{backend="memory",queue="emails",state="scheduled"} 1"#,
            r#"messaging_queue_oldest_age_seconds{backend="memory",queue="emails"} 1.5"#,
            r#"messaging_queue_paused{backend="memory",queue="emails"} 1"#,
        ]
    );
    metrics.observe_stats(source, &Stats::default());
    has(
        &metrics,
        r#"messaging_queue_oldest_age_seconds{backend="memory",queue="emails"} 0"#,
    );
    metrics.forget(source);
    assert_eq!(metrics.encode(), "");
}

#[test]
fn a_forgotten_queue_begins_anew_on_every_thread() {
    let metrics = PrometheusObserver::new();
    let source = SOURCE;
    let line = |count| {
        format!(r#"messaging_worker_active{{backend="memory",kind="a",queue="emails"}} {count}"#)
    };
    start(&metrics, source, "a");
    start(&metrics, source, "a");
    has(&metrics, &line(2));
    std::thread::scope(|scope| scope.spawn(|| metrics.forget(source)).join().unwrap());
    assert_eq!(metrics.encode(), "");
    start(&metrics, source, "a");
    has(&metrics, &line(1));
    // Another observer on the same thread has series of its own.
    let other = PrometheusObserver::new();
    start(&other, source, "a");
    has(&other, &line(1));
    has(&metrics, &line(1));
}

#[test]
fn dropped_dead_letters_are_counted_over_restarts_of_the_queue() {
    let metrics = PrometheusObserver::new();
    let source = SOURCE;
    let stats = |dead_dropped| {
        let stats = Stats {
            dead_dropped,
            ..Stats::default()
        };
        metrics.observe_stats(source, &stats);
    };
    let is = |count| {
        let labels = r#"{backend="memory",queue="emails"}"#;
        has(
            &metrics,
            &format!("messaging_dead_letters_dropped_total{labels} {count}"),
        );
    };
    stats(3);
    is(3);
    stats(3);
    stats(5);
    is(5);
    stats(1); // Opened anew.
    is(6);
}

#[test]
fn labels_that_read_the_same_strung_together_are_different_series() {
    let metrics = PrometheusObserver::new();
    let count = |queue, kind| {
        let queue = QueueName::from_static(queue);
        let source = Source {
            backend: "memory",
            queue: &queue,
        };
        start(&metrics, source, kind);
    };
    count("a", "xmemoryb");
    count("amemoryx", "b");
    assert_eq!(lines(&metrics, "messaging_worker_active").len(), 2);
    // More queues and kinds by turns than a thread remembers.
    for _ in 0..3 {
        for queue in ["a", "b", "c", "d", "e"] {
            count(queue, "k");
            count(queue, "l");
        }
    }
    let threes = lines(&metrics, "messaging_worker_active");
    assert_eq!(threes.iter().filter(|l| l.ends_with(" 3")).count(), 10);
}

#[test]
fn made_up_kinds_do_not_fill_the_memory() {
    let metrics = PrometheusObserver::new();
    let source = SOURCE;
    for i in 0..1_000 {
        metrics.observe(&Event::Processed {
            source,
            kind: &Kind::new(format!("kind-{i}")).unwrap(),
            id: ID,
            attempt: 1,
            outcome: ProcessOutcome::Dead,
            elapsed: None,
        });
    }
    assert_eq!(lines(&metrics, "messaging_worker_failed_total").len(), 257);
    has(
        &metrics,
        r#"messaging_worker_failed_total{backend="memory",kind="_other",queue="emails"} 744"#,
    );
}

#[test]
fn a_registry_takes_one_observer_and_shows_it_among_others() {
    let registry = prometheus::Registry::new();
    let metrics = PrometheusObserver::register_in(registry.clone()).unwrap();
    let error = PrometheusObserver::register_in(registry.clone()).unwrap_err();
    assert!(error.to_string().contains("share its clones"), "{error}");
    let own = prometheus::IntCounter::new("own_total", "Own.").unwrap();
    registry.register(Box::new(own)).unwrap();
    has(&metrics, "own_total 0");
    assert!(CONTENT_TYPE.starts_with(prometheus::TEXT_FORMAT));
}

/// The table says what is measured, and nothing is measured that it does not say.
#[tokio::test(start_paused = true)]
async fn every_metric_of_the_table_is_made_and_no_other() {
    let (metrics, queue) = open([
        (MS, Answer::Publish(Ok(vec![PublishOutcome::Accepted(ID)]))),
        (MS, Answer::Receive(Ok(vec![delivery(message("a"))]))),
        (MS, Answer::Settle(Err(unavailable()))),
    ])
    .await;
    let batch = vec![message("a")];
    queue.publish(batch, Duration::ZERO).await.unwrap();
    let deliveries = queue.receive(1, MS).await.unwrap();
    deliveries[0].clone().ack(&*queue).await.unwrap_err();
    let source = SOURCE;
    start(&metrics, source, "a");
    finish(&metrics, source, ProcessOutcome::Done, Some(MS));
    metrics.observe(&Event::Paused { source, pause: MS });
    metrics.observe_stats(source, &Stats::default());

    let text = metrics.encode();
    assert!(!text.contains("canary"), "{text}");
    assert!(!text.contains(&ID.to_string()), "{text}");
    let expected: BTreeSet<_> = METRICS
        .iter()
        .map(|m| format!("# TYPE {} {}", m.name, m.kind.as_str()))
        .collect();
    let found: BTreeSet<_> = text
        .lines()
        .filter(|l| l.starts_with("# TYPE"))
        .map(str::to_owned)
        .collect();
    assert_eq!(found, expected);
    for metric in METRICS {
        assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)));
        let suffix = match metric.kind {
            MetricKind::Histogram { .. } => "_count",
            _ => "",
        };
        let prefix = format!("{}{suffix}{{", metric.name);
        let line = text.lines().find(|l| l.starts_with(&prefix)).unwrap();
        let inside = &line[prefix.len()..line.rfind('}').unwrap()];
        let labels: BTreeSet<_> = inside
            .split(',')
            .map(|l| &l[..l.find('=').unwrap()])
            .collect();
        assert_eq!(labels, metric.labels.iter().copied().collect(), "{line}");
    }
}
