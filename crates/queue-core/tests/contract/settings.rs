use std::time::Duration;

use forebay_queue_core::{Error, Settings};

fn settings() -> Settings {
    Settings::from_iter([
        ("CAPACITY", "100"),
        ("LEASE", "1m 30s"),
        ("FLAG", "true"),
        ("EMPTY", ""),
        ("WRONG", "soon"),
    ])
}

fn text<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    answer.unwrap_err().to_string()
}

#[test]
fn values_are_read_by_their_type() {
    let settings = settings();
    assert_eq!(settings.get("CAPACITY"), Some("100"));
    assert_eq!(settings.number("CAPACITY", 1, 1_000).unwrap(), Some(100));
    let minute = Duration::from_mins(1);
    let lease = settings.duration("LEASE", minute, 2 * minute).unwrap();
    assert_eq!(lease, Some(Duration::from_secs(90)));
    assert_eq!(settings.flag("FLAG").unwrap(), Some(true));
    let parsed = settings.parse::<u8>("CAPACITY", "a byte").unwrap();
    assert_eq!(parsed, Some(100));
}

#[test]
fn what_is_not_set_or_empty_is_none() {
    let settings = settings();
    for name in ["EMPTY", "MISSING"] {
        assert_eq!(settings.get(name), None);
        assert_eq!(settings.flag(name).unwrap(), None);
        assert_eq!(settings.number::<u8>(name, 1, 2).unwrap(), None);
        assert_eq!(settings.secret(name, "", |_| None::<()>).unwrap(), None);
    }
}

#[test]
fn bounds_belong_to_what_is_allowed() {
    let settings = settings();
    assert!(settings.number("CAPACITY", 100, 100).is_ok());
    let low = text(settings.number("CAPACITY", 101, 200));
    assert_eq!(low, "CAPACITY=100: allowed: a whole number from 101 to 200");
    let high = text(settings.number("CAPACITY", 1, 99));
    assert_eq!(high, "CAPACITY=100: allowed: a whole number from 1 to 99");
    let second = Duration::from_secs(1);
    let long = text(settings.duration("LEASE", second, 2 * second));
    assert_eq!(
        long,
        "LEASE=1m 30s: allowed: a duration from 1s to 2s, such as 30s"
    );
}

#[test]
fn a_number_of_another_sort_is_refused() {
    let settings = Settings::from_iter([("N", "-1"), ("M", "1.5"), ("O", "99999999999999999999")]);
    for name in ["N", "M", "O"] {
        assert!(text(settings.number::<u32>(name, 1, 9)).starts_with(name));
    }
}

#[test]
fn a_later_value_replaces_an_earlier_one() {
    let mut settings = settings();
    settings.set("CAPACITY", "7");
    assert_eq!(settings.get("CAPACITY"), Some("7"));
}

#[test]
fn a_secret_is_in_no_text() {
    let settings = Settings::from_iter([("URL", "redis://user:canary@host")]);
    let told = text(settings.secret("URL", "a URL", |_| None::<()>));
    assert_eq!(told, "URL=(value withheld): allowed: a URL");
    assert_eq!(format!("{settings:?}"), r#"{"URL"}"#);
}

#[test]
fn a_long_or_odd_value_is_told_in_short_on_one_line() {
    let settings = Settings::from_iter([("A", format!("\n\u{1b}{}", "ä".repeat(10_000)))]);
    let told = text(settings.flag("A"));
    assert!(told.len() < 300, "{} bytes", told.len());
    assert!(!told.contains(['\n', '\u{1b}']));
}
