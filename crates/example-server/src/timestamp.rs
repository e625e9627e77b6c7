//! Instants as the service keeps them: UTC, to the microsecond.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Reads an RFC 3339 instant and brings it to UTC and whole microseconds, the precision of both databases.
///
/// `None` if the text is not RFC 3339, or lies outside the years 0000 to 9999 once it is in UTC.
pub fn parse(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(normalise)
}

/// The instant in UTC and whole microseconds, if its year is 0000 to 9999 there.
pub fn normalise(instant: OffsetDateTime) -> Option<OffsetDateTime> {
    // An offset alone can carry year 0000 or 9999 over its edge, where RFC 3339 cannot write it.
    let utc = instant.checked_to_offset(UtcOffset::UTC)?;
    (0..=9999).contains(&utc.year()).then(|| to_micros(utc))
}

/// The instant cut to whole microseconds, and in UTC wherever that can be represented.
pub fn to_micros(instant: OffsetDateTime) -> OffsetDateTime {
    let utc = instant.checked_to_offset(UtcOffset::UTC).unwrap_or(instant);
    utc.replace_microsecond(utc.microsecond()).unwrap_or(utc)
}

/// Microseconds since the Unix epoch. Fits any instant that [`parse`] accepts.
pub fn micros(instant: OffsetDateTime) -> i64 {
    i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000)).unwrap_or(i64::MAX)
}

/// The instant so many microseconds after the Unix epoch, if its year is 0000 to 9999.
pub fn from_micros(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .ok()
        .filter(|instant| (0..=9999).contains(&instant.year()))
}

/// The instant to the second, UTC, as it enters a derived key: `2026-01-02T03:04:05Z`.
pub fn to_second(instant: OffsetDateTime) -> String {
    let utc = to_micros(instant);
    let (year, month, day) = utc.to_calendar_date();
    let (hour, minute, second) = utc.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn reads_rfc3339_into_utc() {
        let instant = parse("2026-01-02T05:04:05.1234567+02:00").unwrap();
        assert_eq!(instant, datetime!(2026-01-02 03:04:05.123456 UTC));
        assert!(instant.offset().is_utc());
        assert_eq!(to_second(instant), "2026-01-02T03:04:05Z");
        assert_eq!(from_micros(micros(instant)), Some(instant));
    }

    #[test]
    fn the_edges_hold() {
        for bad in [
            "",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-01-02T24:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "1767322800",
            "2026-01-02T03:04:05Z ",
            "+2026-01-02T03:04:05Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        for good in [
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "1969-12-31T23:59:59.5Z",
        ] {
            let instant = parse(good).unwrap();
            assert_eq!(from_micros(micros(instant)), Some(instant), "{good}");
        }
        assert_eq!(from_micros(i64::MAX), None);
        assert_eq!(from_micros(i64::MIN), None);
    }
}
