use forebay_queue_core::{Capability, Certainty, Durability, Error, QueueName};

const QUEUE: QueueName = QueueName::from_static("jobs");

/// An error, with what its text must name, and the next step that it must say.
type Told = (Error, [&'static str; 2]);

fn all() -> impl Iterator<Item = Told> {
    of_queues()
        .into_iter()
        .chain(of_values())
        .chain(of_backends())
}

fn of_queues() -> Vec<Told> {
    vec![
        (
            Error::QueueNotFound { queue: QUEUE },
            ["no queue jobs", "create it"],
        ),
        (
            Error::QueueAlreadyExists { queue: QUEUE },
            ["jobs exists", "open it"],
        ),
        (
            Error::ConfigMismatch {
                queue: QUEUE,
                field: "lease",
            },
            ["another lease", "update it"],
        ),
        (
            Error::Full {
                queue: QUEUE,
                what: "messages",
                limit: 10,
            },
            ["jobs is full (10 messages)", "try again later"],
        ),
        (
            Error::Closed { queue: QUEUE },
            ["jobs is closed", "open it again"],
        ),
    ]
}

fn of_values() -> Vec<Told> {
    let text = || "because".to_owned();
    vec![
        (
            Error::InvalidConfig {
                field: "lease",
                problem: text(),
                allowed: "10ms to 12h",
            },
            ["lease: because", "allowed: 10ms to 12h"],
        ),
        (
            Error::Invalid {
                what: "kind",
                problem: text(),
                allowed: "a to z",
            },
            ["kind: because", "allowed: a to z"],
        ),
        (
            Error::InvalidSetting {
                name: "QUEUE_URL".to_owned(),
                value: "x".to_owned(),
                allowed: "a URL".to_owned(),
            },
            ["QUEUE_URL=x", "allowed: a URL"],
        ),
        (
            Error::TooLarge {
                what: "payload",
                size: 11,
                limit: 10,
            },
            ["payload: 11 is over the limit of 10", "send less"],
        ),
    ]
}

fn of_backends() -> Vec<Told> {
    vec![
        (
            Error::Unsupported {
                backend: "redis",
                capability: Capability::Throttling,
            },
            ["redis does not support throttle keys", "leave it out"],
        ),
        (
            Error::Unavailable {
                backend: "redis",
                source: None,
            },
            ["redis is unavailable", "try again"],
        ),
        (
            Error::Interrupted {
                backend: "redis",
                source: None,
            },
            [
                "redis did not answer",
                "repeat only with an idempotency key",
            ],
        ),
        (
            Error::DurabilityNotMet {
                backend: "redis",
                demand: Durability::Fsynced,
                found: "memory".to_owned(),
            },
            ["durability fsynced: found memory", "demand less"],
        ),
        (
            Error::UnknownBackend {
                name: "rabbit".to_owned(),
                known: "memory, redis".to_owned(),
            },
            ["\"rabbit\" is no backend", "allowed: memory, redis"],
        ),
        (
            Error::BackendNotBuilt {
                name: "redis".to_owned(),
                feature: "redis",
            },
            [
                "redis is not part of this build",
                "add the feature \"redis\"",
            ],
        ),
        (
            Error::Contract {
                problem: "it forgot an answer",
            },
            ["it forgot an answer", "report it"],
        ),
    ]
}

#[test]
fn every_text_names_the_problem_and_the_next_step_on_one_line() {
    for (error, [problem, step]) in all() {
        let text = error.to_string();
        assert!(text.contains(problem), "{text:?} does not name {problem:?}");
        assert!(text.contains(step), "{text:?} does not say {step:?}");
        assert!(!text.contains('\n'), "{text:?}");
    }
}

#[test]
fn only_what_may_change_by_itself_is_worth_another_try() {
    for (error, _) in all() {
        let expected = matches!(
            error,
            Error::Full { .. } | Error::Unavailable { .. } | Error::Interrupted { .. }
        );
        assert_eq!(error.is_retryable(), expected, "{error}");
    }
}

#[test]
fn only_a_lost_answer_leaves_the_outcome_open() {
    for (error, _) in all() {
        let open = matches!(error, Error::Interrupted { .. } | Error::Contract { .. });
        let expected = if open {
            Certainty::Unknown
        } else {
            Certainty::NotDone
        };
        assert_eq!(error.certainty(), expected, "{error}");
    }
}

#[test]
fn a_foreign_error_is_a_source_and_not_in_the_text() {
    let errors = [
        Error::Unavailable {
            backend: "redis",
            source: Some("refused by 192.0.2.1".into()),
        },
        Error::Interrupted {
            backend: "redis",
            source: Some("refused by 192.0.2.1".into()),
        },
    ];
    for error in errors {
        assert!(!error.to_string().contains("192.0.2.1"));
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "refused by 192.0.2.1");
    }
}
