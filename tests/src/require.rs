//! Servers that a test needs: there, missing and skipped, or missing and a failure.
//!
//! Plain `cargo test` passes on a machine without any server: a test that needs one says so
//! and returns. Under `cargo xtask test`, which sets `FOREBAY_REQUIRE_SERVERS`, a missing
//! server fails the test.

use std::env;

use anyhow::Result;
use forebay_xtask::gate::{POSTGRES_URL, REQUIRE_SERVERS};
use forebay_xtask::setup::Binaries;

use crate::postgres::{Database, Postgres};

/// A private PostgreSQL cluster for one test, to be suspended or crashed at will. `None`
/// where PostgreSQL is not installed.
///
/// # Panics
///
/// When it is missing though servers are required, and when it does not start.
pub fn postgres() -> Option<Postgres> {
    found("postgres", Binaries::find(), is_required())?;
    Some(expect_running(Postgres::start()))
}

/// An empty PostgreSQL database for one test: on the server of the whole run where
/// `FOREBAY_TEST_POSTGRES_URL` names one, else on a cluster of its own. `None` where
/// PostgreSQL is not installed.
///
/// # Panics
///
/// When it is missing though servers are required, and when it does not answer.
pub fn postgres_database() -> Option<Database> {
    let binaries = found("postgres", Binaries::find(), is_required())?;
    Some(expect_running(match env::var(POSTGRES_URL) {
        Ok(url) => Database::on_server(&url, binaries),
        Err(_) => Postgres::start().and_then(Database::on_cluster),
    }))
}

/// Whether a missing server is a failure.
pub(crate) fn is_required() -> bool {
    env::var_os(REQUIRE_SERVERS).is_some()
}

/// The server that was found, or the word that there is none.
///
/// # Panics
///
/// When there is none though it is `required`.
pub(crate) fn found<T>(name: &str, server: Option<T>, required: bool) -> Option<T> {
    match decide(server, required) {
        Decision::Use(server) => Some(server),
        Decision::Skip => {
            println!("skipped: no {name}");
            None
        }
        Decision::Fail => panic!("{name} is missing, and {REQUIRE_SERVERS} is set"),
    }
}

enum Decision<T> {
    Use(T),
    Skip,
    Fail,
}

fn decide<T>(server: Option<T>, required: bool) -> Decision<T> {
    match (server, required) {
        (Some(server), _) => Decision::Use(server),
        (None, false) => Decision::Skip,
        (None, true) => Decision::Fail,
    }
}

fn expect_running<T>(server: Result<T>) -> T {
    match server {
        Ok(server) => server,
        Err(error) => panic!("PostgreSQL is installed, yet it does not serve: {error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_is_skipped_only_where_none_is_required() {
        assert!(matches!(decide(None::<()>, false), Decision::Skip));
        assert!(matches!(decide(None::<()>, true), Decision::Fail));
        assert!(matches!(decide(Some(()), true), Decision::Use(())));
    }
}
