//! Nothing that is told, logged or shown has a credential, a key or a payload in it.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, Write};

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::failure::Advice;
use crate::probe;

const CANARY: &str = "canary-7f3a";

/// Fails with what it was given.
static BROKEN: LazyLock<Script> = LazyLock::new(|| Script::new("broken", "#!lua\nerror(ARGV[1])"));

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// All that can be seen of a failure.
fn shown(failure: &Failure) -> String {
    let queue = queue("q");
    let mut text = format!("{failure} {failure:?}");
    for error in [
        failure.clone().into_error(&queue),
        failure.clone().into_backend_error(),
    ] {
        let _ = write!(text, " {error} {error:?}");
        let mut source = error.source();
        while let Some(inner) = source {
            let _ = write!(text, " {inner} {inner:?}");
            source = inner.source();
        }
    }
    text
}

async fn refusals(server: &RedisServer, closed: u16) -> Vec<(Failure, Option<Advice>)> {
    let port = server.port();
    let secret = format!("{CANARY}:{CANARY}@127.0.0.1");
    let urls = [
        (
            format!("redis://{secret}:{closed}"),
            Some(Advice::Reconnect),
        ),
        (format!("redis://{secret}:{port}"), Some(Advice::Fatal)),
        (
            format!("redis://:{CANARY}@127.0.0.1:{port}"),
            Some(Advice::Fatal),
        ),
        (format!("redis://127.0.0.1:{port}"), Some(Advice::Fatal)),
        (
            format!("redis://{secret}:{port},redis://{secret}:{closed}"),
            None,
        ),
        (format!("rediss://{secret}:{port}"), None),
    ];
    let mut failures = Vec::new();
    for (url, advice) in urls {
        // No authorities on this machine, no TLS.
        let Ok(servers) = Servers::new(options(&url)) else {
            continue;
        };
        let way = Way::to(&servers, "q");
        failures.push((way.count().await.unwrap_err(), advice));
        failures.push((way.link.dedicated().await.err().unwrap(), advice));
        let error = probe::probe(&servers).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(CANARY));
        let health = probe::health(&servers).await;
        assert!(!format!("{health:?}").contains(CANARY));
    }
    let servers = servers(&server.url());
    let way = Way::to(&servers, CANARY);
    let calls = vec![
        command(&["NOSUCHCOMMAND", CANARY, CANARY]),
        command(&["GET", CANARY]),
        command(&["CONFIG", "SET", "dir", CANARY]),
        command(&["AUTH", CANARY, CANARY]),
        command(&[
            "XREADGROUP",
            "GROUP",
            CANARY,
            CANARY,
            "STREAMS",
            "forebay:{q}:stream",
            CANARY,
        ]),
        Call::script(&BROKEN, &way.keys, [CANARY]),
    ];
    for answer in way.link.pipeline(calls).await.unwrap() {
        failures.push((answer.unwrap_err(), None));
    }
    failures
}

#[tokio::test]
async fn no_failure_and_no_line_of_a_log_has_a_secret() {
    let Some(builder) = builder() else { return };
    let log = Log::default();
    // A test beside this one that logs without a subscriber would silence that line for the whole process
    // (tokio-rs/tracing#3611).
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut gone = builder.clone().start().unwrap();
    gone.kill().unwrap();
    let server = builder.accounts().start().unwrap();
    for (failure, advice) in refusals(&server, gone.port()).await {
        let shown = shown(&failure);
        assert!(!shown.contains(CANARY), "{shown}");
        assert!(!shown.contains("127.0.0.1"), "{shown}");
        assert!(!shown.contains(&server.port().to_string()), "{shown}");
        if let Some(advice) = advice {
            assert_eq!(failure.advice(), advice, "{failure}");
        }
    }
    tracing::trace!("the log works");
    let log = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(log.contains("the log works"));
    assert!(!log.contains(CANARY), "{log}");
}
