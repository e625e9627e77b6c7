//! The private PostgreSQL cluster itself: it starts, stops, hangs and crashes when told to.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use forebay_tests::postgres::{Options, Postgres};
use forebay_tests::{require, wait};

/// The first message of PostgreSQL's protocol: "may we use TLS?". The server answers `N`.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

fn answers(port: u16, limit: Duration) -> bool {
    use std::io::Write as _;

    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let mut answer = [0];
    stream.set_read_timeout(Some(limit)).is_ok()
        && stream.write_all(&SSL_REQUEST).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"N"
}

#[test]
fn a_dropped_cluster_leaves_no_process() {
    let Some(postgres) = require::postgres() else {
        return;
    };
    let (port, pid) = (postgres.port(), postgres.pid());
    assert!(answers(port, Duration::from_secs(5)));
    drop(postgres);
    assert!(!answers(port, Duration::from_secs(5)));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_suspended_cluster_is_silent_until_it_is_resumed() {
    let Some(mut postgres) = require::postgres() else {
        return;
    };
    postgres.suspend().unwrap();
    assert!(!answers(postgres.port(), Duration::from_millis(200)));
    postgres.resume().unwrap();
    assert!(answers(postgres.port(), Duration::from_secs(5)));
}

#[test]
fn a_suspended_cluster_can_be_dropped() {
    let Some(mut postgres) = require::postgres() else {
        return;
    };
    let port = postgres.port();
    postgres.suspend().unwrap();
    drop(postgres);
    assert!(!answers(port, Duration::from_secs(5)));
}

#[tokio::test]
async fn a_crashed_cluster_comes_back_with_its_databases() {
    if require::postgres_database().is_none() {
        return;
    }
    let mut postgres = Postgres::start_with(Options { fsync: true }).unwrap();
    postgres.create_database("kept").unwrap();
    postgres.crash().unwrap();
    assert!(!answers(postgres.port(), Duration::from_secs(5)));
    postgres.restart().unwrap();
    let port = postgres.port();
    wait::until("an answer", Duration::from_secs(10), async || {
        answers(port, Duration::from_secs(1))
    })
    .await;
    let again = postgres.create_database("kept").unwrap_err();
    assert!(again.to_string().contains("already exists"));
}

#[test]
fn a_database_name_cannot_carry_sql() {
    let Some(postgres) = require::postgres() else {
        return;
    };
    assert!(
        postgres
            .create_database("a; DROP DATABASE postgres")
            .is_err()
    );
}

#[test]
fn two_databases_do_not_meet() {
    let (Some(one), Some(other)) = (require::postgres_database(), require::postgres_database())
    else {
        return;
    };
    assert_ne!(one.url(), other.url());
}
