//! Whatever happens to a queue on Redis: nothing that is logged or told has a credential, an address, a payload, a header
//! or a key in it, at the loudest level neither.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::error::Error as StdError;
use std::fmt::Debug;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay::core::{Error, Nack, NackAction};
use forebay::telemetry::TracingObserver;
use forebay::{
    CancelTarget, Connection, Connector, DeadLetterFilter, FairnessKey, Fingerprint, Headers,
    IdempotencyKey, Kind, NewMessage, PublishOutcome, Settings,
};
use forebay_tests::redis::{RedisServer, Reply, own};
use forebay_tests::wait;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

const LIMIT: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_hours(1);
const CANARY: &str = "c4nary";
const USER: &str = "c4nary-user";
const PASSWORD: &str = "c4nary-password";
const QUEUE: &str = "emails";
const STREAM: &[u8] = b"forebay:{emails}:stream";

/// All that is logged, and all that is told.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Heard {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Heard {
    /// Listens to every thread, and to those who log without tracing.
    fn begin() -> Self {
        let heard = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(heard.clone())
            .with_ansi(false)
            .finish();
        subscriber.try_init().unwrap();
        heard
    }

    /// Notes all that can be seen of an error.
    fn note(&self, error: &(dyn StdError + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            writeln!(self.clone(), "told: {error} {error:?} {error:#?}").unwrap();
            next = error.source();
        }
    }

    /// Notes the error that this has to be.
    fn refused<T, E: StdError + 'static>(&self, answer: Result<T, E>) -> E {
        let Err(error) = answer else {
            panic!("it was not refused");
        };
        self.note(&error);
        error
    }

    fn show(&self, shown: &impl Debug) {
        writeln!(self.clone(), "shown: {shown:?} {shown:#?}").unwrap();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// An encrypted server with a user whose name and password are canaries.
struct Stand {
    server: RedisServer,
    authority: PathBuf,
}

impl Stand {
    fn start() -> Option<Self> {
        let builder = own()?.encrypted().accounts().append_only();
        let server = builder.start().unwrap();
        let authority = server.authority().unwrap().to_owned();
        let stand = Self { server, authority };
        stand.admit_user();
        Some(stand)
    }

    fn admit_user(&self) {
        let password = format!(">{PASSWORD}");
        let rules = ["~*", "&*", "+@all"];
        let command = ["ACL", "SETUSER", USER, "on", &password];
        self.call(&[&command[..], &rules].concat());
    }

    fn call<T: AsRef<[u8]>>(&self, command: &[T]) -> Reply {
        self.server.call(command).unwrap()
    }

    fn settings(&self, scheme: &str, user: &str, password: &str) -> Settings {
        let port = self.server.port();
        let url = format!("{scheme}://{user}:{password}@127.0.0.1:{port}");
        [
            ("QUEUE_BACKEND", "redis"),
            ("REDIS_URL", &url),
            ("REDIS_CA", self.authority.to_str().unwrap()),
            ("REDIS_CONNECT_TIMEOUT", "500ms"),
            ("REDIS_TIMEOUT", "1s"),
            ("QUEUE_CAPACITY", "4"),
        ]
        .into_iter()
        .collect()
    }

    fn right(&self) -> Settings {
        self.settings("rediss", USER, PASSWORD)
    }
}

async fn connect(settings: Settings) -> Result<Connection, Error> {
    let connector = Connector::new(settings).observe(Arc::new(TracingObserver::new()));
    connector.connect(QUEUE).await
}

/// A message with a canary wherever there is room for one.
fn message(key: &str) -> NewMessage {
    let mut headers = Headers::new();
    headers.insert("reply-to", "c4nary-header").unwrap();
    let key = IdempotencyKey::new(format!("c4nary-{key}")).unwrap();
    let fairness = FairnessKey::new("c4nary-tenant").unwrap();
    NewMessage::new(Kind::from_static("mail"), "c4nary-payload")
        .with_headers(headers)
        .with_idempotency_key(key)
        .with_fairness_key(fairness)
}

async fn publish(
    connection: &Connection,
    message: NewMessage,
) -> Result<Vec<PublishOutcome>, Error> {
    let publish = connection.queue().publish(vec![message], Duration::ZERO);
    publish.await
}

/// A day as it should be, and what the contract refuses.
async fn everyday(heard: &Heard, connection: &Connection) {
    heard.show(connection);
    let first = publish(connection, message("1")).await.unwrap();
    heard.show(&first);
    let other = message("1").with_fingerprint(Fingerprint([7; 32]));
    heard.show(&publish(connection, other).await.unwrap());
    let session = connection.session().await.unwrap();
    for action in [
        NackAction::Retry {
            after: Duration::ZERO,
        },
        NackAction::DeadLetter,
    ] {
        let held = session.receive(1, LIMIT).await.unwrap();
        heard.show(&held);
        let nack = Nack {
            receipt: held[0].receipt.clone(),
            action,
            cause: None,
        };
        session.nack(vec![nack]).await.unwrap();
    }
    let management = connection.management();
    let all = DeadLetterFilter::all();
    assert_eq!(management.redrive(&all, 9).await.unwrap().redriven, 1);
    heard.show(&management.peek(9).await.unwrap());
    for number in 2..5 {
        publish(connection, message(&number.to_string()))
            .await
            .unwrap();
    }
    let full = heard.refused(publish(connection, message("5")).await);
    assert!(matches!(full, Error::Full { .. }), "{full}");
    let large = NewMessage::new(Kind::from_static("mail"), CANARY.repeat(100_000));
    heard.refused(publish(connection, large).await);
    let known = message("6").with_id(first[0].id());
    heard.refused(publish(connection, known).await);
    let key = IdempotencyKey::new("c4nary-2").unwrap();
    management.cancel(CancelTarget::Key(key)).await.unwrap();
}

/// Starts that fail: somebody else's password, no such user, no encryption, another authority, nobody there.
async fn wrong_starts(heard: &Heard, stand: &Stand) {
    let other = own().unwrap().encrypted().start().unwrap();
    let with = |mut settings: Settings, name: &str, value: &str| {
        settings.set(name, value);
        settings
    };
    let authority = other.authority().unwrap().to_str().unwrap();
    let nobody = format!("rediss://{USER}:{PASSWORD}@127.0.0.1:1");
    let several = format!("{nobody},{nobody}");
    let wrong = [
        stand.settings("rediss", USER, "c4nary-wrong"),
        stand.settings("rediss", "c4nary-nobody", PASSWORD),
        stand.settings("redis", USER, PASSWORD),
        stand.settings("http", USER, PASSWORD),
        with(stand.right(), "REDIS_CA", authority),
        with(stand.right(), "REDIS_CA", "/nowhere/c4nary.pem"),
        with(stand.right(), "REDIS_URL", &nobody),
        with(stand.right(), "REDIS_URL", &several),
        with(stand.right(), "QUEUE_LEASE", "7s"),
        with(stand.right(), "QUEUE_DURABILITY", "replicated:2"),
    ];
    for settings in wrong {
        heard.show(&settings);
        let connector = Connector::new(settings.clone());
        heard.show(&connector);
        heard.refused(connect(settings).await);
    }
}

/// The server refuses what it is asked.
async fn refusals(heard: &Heard, stand: &Stand, connection: &Connection) {
    let set = |rule: &str| stand.call(&["ACL", "SETUSER", USER, rule]);
    set("-xadd");
    heard.refused(publish(connection, message("a")).await);
    set("-evalsha");
    heard.refused(publish(connection, message("b")).await);
    heard.refused(connection.management().stats().await);
    let session = connection.session().await;
    heard.refused(session.map(drop));
    set("+@all");
    stand.call(&["CONFIG", "SET", "maxmemory", "1"]);
    heard.refused(publish(connection, message("c")).await);
    stand.call(&["CONFIG", "SET", "maxmemory", "0"]);
    // What nobody can read is logged by its place alone.
    let spoilt: [&[u8]; 5] = [b"XADD", STREAM, b"*", b"m", b"\x09c4nary-nonsense"];
    stand.call(&spoilt);
    let session = connection.session().await.unwrap();
    while !session.receive(9, Duration::ZERO).await.unwrap().is_empty() {}
    // The queue is gone, and made again.
    stand.call(&["FLUSHALL"]);
    wait::until("the queue is there again", LIMIT, async || {
        publish(connection, message("d")).await.is_ok()
    })
    .await;
}

/// The server dies, comes back without the user, and then lets him in again.
async fn outage(heard: &Heard, stand: &mut Stand, connection: &Connection) {
    let session = connection.session().await.unwrap();
    let waiting = {
        let session = Arc::clone(&session);
        tokio::spawn(async move {
            loop {
                session.receive(9, HOUR).await?;
            }
        })
    };
    wait::until("a reader waits", LIMIT, async || {
        let blocked = stand.server.info("clients", "blocked_clients").unwrap();
        blocked.as_deref() == Some("1")
    })
    .await;
    stand.server.kill().unwrap();
    let broken: Result<(), Error> = waiting.await.unwrap();
    heard.refused(broken);
    heard.refused(publish(connection, message("e")).await);
    heard.show(&connection.backend().health().await);
    stand.server.restart().unwrap();
    wait::until("the server lets nobody in", LIMIT, async || {
        let refused = heard.refused(publish(connection, message("f")).await);
        let cause = refused.source().map(ToString::to_string);
        cause.is_some_and(|cause| cause.contains("does not know the user"))
    })
    .await;
    heard.refused(session.receive(9, LIMIT).await);
    heard.show(&connection.backend().health().await);
    stand.admit_user();
    wait::until("the server is back", LIMIT, async || {
        publish(connection, message("g")).await.is_ok()
    })
    .await;
    heard.show(&connection.backend().probe().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_logged_or_told_has_a_secret() {
    let heard = Heard::begin();
    let Some(mut stand) = Stand::start() else {
        return;
    };
    let port = format!("127.0.0.1:{}", stand.server.port());
    let connection = connect(stand.right()).await.unwrap();
    everyday(&heard, &connection).await;
    wrong_starts(&heard, &stand).await;
    refusals(&heard, &stand, &connection).await;
    outage(&heard, &mut stand, &connection).await;
    connection.close().await.unwrap();
    heard.refused(publish(&connection, message("h")).await);
    let text = heard.text();
    let logged = text.lines().filter(|line| line.contains("TRACE")).count();
    assert!(
        logged >= 10,
        "the loudest level is not loud: {logged} lines"
    );
    for secret in [CANARY, &port] {
        let leak = text.lines().find(|line| line.contains(secret));
        assert_eq!(leak, None);
    }
}
