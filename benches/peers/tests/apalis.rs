//! What `docs/coming-from-apalis.md` says about apalis 1.0: its blocks compile, and its claims hold.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apalis::prelude::*;
use apalis_redis::{Config, ConnectionManager, RedisStorage};
use forebay_xtask::redis::RedisServer;
use redis::AsyncCommands as _;
use tokio::time::{sleep, timeout};

mod page {
    //! The page's program, word for word.
    #![expect(dead_code, reason = "it is compiled, not run")]

    use std::time::Duration;

    #[derive(Clone)]
    struct Mailer;

    impl Mailer {
        async fn send(&self, _: &str, _: &str, _: usize) -> std::io::Result<()> {
            tokio::task::yield_now().await;
            Ok(())
        }
    }

    // page begins
    use apalis::prelude::*;
    use apalis_redis::{Config, RedisStorage};

    #[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
    struct SendEmail {
        to: String,
    }

    async fn send_email(
        email: SendEmail,
        id: TaskId,
        attempt: Attempt,
        mailer: Data<Mailer>,
    ) -> Result<(), BoxDynError> {
        mailer
            .send(&email.to, &id.to_string(), attempt.current())
            .await?;
        Ok(())
    }

    async fn run(url: &str) -> Result<(), BoxDynError> {
        let connection = apalis_redis::connect(url).await?;
        let config = Config::default().queue("emails");
        let mut storage = RedisStorage::new(connection).with_config(config);
        let email = SendEmail {
            to: "ann@example.com".into(),
        };
        let task = TaskBuilder::new(email)
            .run_after(Duration::from_mins(1))
            .build();
        storage.push_task(task).await?;
        let worker = WorkerBuilder::new("email-worker")
            .backend(storage.poll_with_interval(Duration::from_millis(50)))
            .concurrency(64)
            .retry(RetryPolicy::retries(3))
            .data(Mailer)
            .build(send_email);
        worker.run().await?;
        Ok(())
    }
    // page ends
}

/// A server of its own, and a connection to it.
struct Stage {
    connection: ConnectionManager,
    _server: RedisServer,
}

impl Stage {
    async fn open() -> Self {
        let builder = RedisServer::builder().expect("a redis-server is installed");
        let server = builder.start().expect("it starts");
        Self {
            connection: apalis_redis::connect(server.url())
                .await
                .expect("it can be reached"),
            _server: server,
        }
    }

    fn storage(&self, config: Config) -> RedisStorage<u32> {
        RedisStorage::new(self.connection.clone()).with_config(config.queue("jobs"))
    }

    async fn scheduled(&self) -> Vec<(String, u64)> {
        let mut connection = self.connection.clone();
        connection
            .zrange_withscores("jobs:scheduled", 0, -1)
            .await
            .expect("it can be read")
    }
}

/// Polls until it is so, for ten seconds at most.
async fn until<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) {
    let poll = async {
        while !is_so().await {
            // tidy: sleep — between two looks
            sleep(Duration::from_millis(20)).await;
        }
    };
    let polled = timeout(Duration::from_secs(10), poll).await;
    polled.expect("it is so in time");
}

#[test]
fn the_page_has_the_program_that_is_compiled_here() {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let own = include_str!("apalis.rs");
    let (_, own) = own.split_once("// page begins\n").unwrap();
    let (own, _) = own.split_once("// page ends\n").unwrap();
    let page = include_str!("../../../docs/coming-from-apalis.md");
    let (_, page) = page.split_once("```rs\n").unwrap();
    let (page, _) = page.split_once("```\n").unwrap();
    assert_eq!(bare(page), bare(own));
}

#[tokio::test]
async fn without_a_time_to_live_an_idempotency_key_is_void() {
    let task = || TaskBuilder::new(1).idempotency_key("key").build();
    for (config, jobs) in [
        (Config::default(), 2),
        (
            Config::default().idempotency_ttl(Some(Duration::from_mins(1))),
            1,
        ),
    ] {
        let stage = Stage::open().await;
        let mut storage = stage.storage(config);
        storage.push_task(task()).await.unwrap();
        // Where it is dropped, this answers `Ok` too.
        storage.push_task(task()).await.unwrap();
        assert_eq!(stage.scheduled().await.len(), jobs);
    }
}

#[tokio::test]
async fn a_job_of_a_dead_worker_keeps_its_attempt() {
    let stage = Stage::open().await;
    let config = || {
        Config::default()
            .heartbeat_interval(Duration::from_secs(1))
            .missed_heartbeats(1)
    };
    stage.storage(config()).push(1).await.unwrap();
    let attempts: Arc<AtomicUsize> = Arc::default();
    let starts: Arc<AtomicUsize> = Arc::default();
    let handler = {
        let (attempts, starts) = (Arc::clone(&attempts), Arc::clone(&starts));
        move |_: u32, attempt: Attempt| {
            attempts.fetch_max(attempt.current(), Ordering::SeqCst);
            starts.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Result<(), Infallible>>()
        }
    };
    for number in 1..=3 {
        let backend = stage
            .storage(config())
            .poll_with_interval(Duration::from_millis(20));
        let worker = WorkerBuilder::new(format!("worker-{number}").as_str())
            .backend(backend)
            .build(handler.clone());
        let worker = tokio::spawn(worker.run());
        until(|| async { starts.load(Ordering::SeqCst) == number }).await;
        // As a crash: it says goodbye to nobody.
        worker.abort();
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_delay_and_a_limit_of_attempts_are_not_kept() {
    let stage = Stage::open().await;
    let mut storage = stage.storage(Config::default());
    storage
        .push_task(TaskBuilder::new(1).max_attempts(1).build())
        .await
        .unwrap();
    let pushed = stage.scheduled().await[0].1;
    let handler = |_: u32| async {
        let hour = Duration::from_hours(1);
        Err::<(), BoxDynError>(RetryAfterError::new("later", hour).into())
    };
    let backend = storage.poll_with_interval(Duration::from_millis(20));
    let worker = WorkerBuilder::new("worker").backend(backend).build(handler);
    let worker = tokio::spawn(worker.run());
    // It is there again, although it may be tried once only, and not in an hour.
    until(|| async {
        let again = stage.scheduled().await;
        again
            .iter()
            .any(|(_, due)| (pushed + 1..pushed + 60).contains(due))
    })
    .await;
    worker.abort();
}

#[tokio::test]
async fn a_backlog_of_due_jobs_ends_every_worker() {
    let stage = Stage::open().await;
    let mut storage = stage.storage(Config::default());
    for _ in 0..9 {
        storage.push_bulk((0..1_000).collect()).await.unwrap();
    }
    for number in 1..=2 {
        let backend = stage
            .storage(Config::default())
            .poll_with_interval(Duration::from_millis(20));
        let worker = WorkerBuilder::new(format!("worker-{number}").as_str())
            .backend(backend)
            .build(|_: u32| async {});
        let ended = timeout(Duration::from_secs(10), worker.run())
            .await
            .unwrap();
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("too many results to unpack"), "{error}");
    }
    assert_eq!(stage.scheduled().await.len(), 9_000);
}
