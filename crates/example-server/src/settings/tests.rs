use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<ServerSettings, String> {
    let settings = pairs.iter().copied().collect();
    ServerSettings::from_settings(&settings).map_err(|error| error.to_string())
}

#[test]
fn the_defaults_in_the_table_are_the_defaults() {
    let listed = VARIABLES.iter().filter(|v| !v.default.is_empty());
    let listed: Settings = listed.map(|v| (v.name, v.default)).collect();
    let listed = ServerSettings::from_settings(&listed).unwrap();
    let unset = ServerSettings::from_settings(&Settings::default()).unwrap();
    assert_eq!(format!("{listed:?}"), format!("{unset:?}"));
    assert_eq!(listed.database_url, unset.database_url);
    assert_eq!(listed.log_filter, unset.log_filter);
    assert!(unset.api_token.is_none() && unset.admin_token.is_none());
}

#[test]
fn the_table_names_each_variable_once() {
    for (index, variable) in VARIABLES.iter().enumerate() {
        let earlier = &VARIABLES[..index];
        assert!(
            earlier.iter().all(|other| other.name != variable.name),
            "{} twice",
            variable.name
        );
        assert!(!variable.allowed.is_empty() && !variable.meaning.is_empty());
    }
    let names = ["HTTP_ADDR", "QUEUE_BACKEND", "DLQ_RETENTION", "LOG_FORMAT"];
    assert!(
        names
            .iter()
            .all(|name| VARIABLES.iter().any(|v| v.name == *name))
    );
}

#[test]
fn every_wrong_value_names_variable_value_and_what_is_allowed_on_one_line() {
    let wrong = [
        ("HTTP_ADDR", "localhost"),
        ("HTTP_ADDR", "127.0.0.1"),
        ("HTTP_ADDR", "127.0.0.1:99999"),
        ("INSECURE_PUBLIC", "yes"),
        ("QUEUE_NAME", "Outbound Messages"),
        ("WORKER_ENABLED", "1"),
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "many"),
        ("RETRY_MAX_ATTEMPTS", "0"),
        ("RETRY_MAX_AGE", "forever"),
        ("RETRY_BACKOFF_BASE", "0s"),
        ("RETRY_BACKOFF_CAP", "500ms"),
        ("SHUTDOWN_TIMEOUT", "30"),
        ("RUST_LOG", "info,forebay=loud"),
        ("RUST_LOG", "loud"),
        ("LOG_FORMAT", "xml"),
        ("QUEUE_CAPACITY", "-1"),
    ];
    for (name, value) in wrong {
        let error = read(&[(name, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{name}={value}: ")), "{error}");
        assert!(
            error.contains("allowed: ") && !error.contains('\n'),
            "{error}"
        );
    }
}

#[test]
fn filters_of_the_usual_forms_are_taken() {
    for text in [
        "off",
        "WARN",
        "info,forebay=debug",
        "warn,sqlx::query=off",
        "forebay_worker=trace",
    ] {
        assert!(read(&[("RUST_LOG", text)]).is_ok(), "{text}");
    }
}

#[test]
fn secrets_are_withheld() {
    let wrong = [
        ("DATABASE_URL", "mysql://ann:c4nary@host/db"),
        ("API_TOKEN", "c4nary"),
        ("API_TOKEN", "c4nary with spaces in it"),
        ("ADMIN_TOKEN", "c4nary-c4nary-c4nary-\u{e9}"),
    ];
    for (name, value) in wrong {
        let error = read(&[(name, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{name}=(")), "{error}");
        assert!(
            error.contains("allowed: ") && !error.contains("c4nary"),
            "{error}"
        );
    }
    let settings = read(&[
        ("DATABASE_URL", "postgres://ann:c4nary@host/db"),
        ("API_TOKEN", "c4nary-c4nary-c4nary"),
        ("ADMIN_TOKEN", "c4nary-c4nary-c4nary"),
    ]);
    assert!(!format!("{:?}", settings.unwrap()).contains("c4nary"));
}

#[test]
fn a_public_address_needs_a_token_or_a_word_that_none_is_meant() {
    let token = ("API_TOKEN", "0123456789abcdef");
    for public in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
        let error = read(&[("HTTP_ADDR", public)]).unwrap_err();
        assert!(
            error.starts_with(&format!("HTTP_ADDR={public}: ")),
            "{error}"
        );
        assert!(
            error.contains("API_TOKEN") && error.contains("INSECURE_PUBLIC=true"),
            "{error}"
        );
        let admin = ("ADMIN_TOKEN", "0123456789abcdef");
        assert!(read(&[("HTTP_ADDR", public), admin]).is_err());
        assert!(read(&[("HTTP_ADDR", public), ("INSECURE_PUBLIC", "false")]).is_err());
        assert!(read(&[("HTTP_ADDR", public), token]).is_ok());
        assert!(read(&[("HTTP_ADDR", public), ("INSECURE_PUBLIC", "true")]).is_ok());
    }
    for local in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:80"] {
        assert!(read(&[("HTTP_ADDR", local)]).is_ok(), "{local}");
    }
}

#[test]
fn the_retry_policy_is_as_asked() {
    let settings = read(&[
        ("RETRY_MAX_ATTEMPTS", "3"),
        ("RETRY_MAX_AGE", "1h"),
        ("RETRY_BACKOFF_BASE", "10ms"),
        ("RETRY_BACKOFF_CAP", "20ms"),
    ])
    .unwrap();
    let expected = RetryPolicy::default()
        .max_attempts(3)
        .max_age(HOUR)
        .base(Duration::from_millis(10))
        .cap(Duration::from_millis(20));
    assert_eq!(settings.retry, expected);
    // A base above the default cap takes the cap with it.
    assert!(read(&[("RETRY_BACKOFF_BASE", "30m")]).is_ok());
}
