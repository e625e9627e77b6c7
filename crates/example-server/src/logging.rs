//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::LogFormat;

/// Starts logging. The filter has the syntax of `RUST_LOG`.
///
/// SQL statements are left out unless the filter names `sqlx`. Started twice, the first one stays.
pub fn start(filter: &str, format: LogFormat) {
    let filter = filter_of(filter);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Pretty => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    // A test that starts two services in one process has a logger by then.
    drop(started);
}

fn filter_of(text: &str) -> EnvFilter {
    let filter = EnvFilter::builder().parse_lossy(text);
    if text.contains("sqlx") {
        return filter;
    }
    let quiet = "sqlx=error".parse().expect("a directive of this program");
    filter.add_directive(quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_logged_only_where_they_are_asked_for() {
        for text in ["info", "trace", "warn,forebay=debug"] {
            assert!(filter_of(text).to_string().contains("sqlx=error"), "{text}");
        }
        let asked = filter_of("info,sqlx=debug").to_string();
        assert!(asked.contains("sqlx=debug") && !asked.contains("sqlx=error"));
    }
}
