//! Servers that are found through sentinels.

use forebay_queue_core::{Backend, Environment, Error, Kind, NewMessage, Queue, QueueConfig};
use forebay_xtask::redis::RedisPair;

use super::*;
use crate::RedisBackend;

const NAME: &str = "main";

/// A sentinel that watches the pair, and its URL with this login for the pair.
fn sentinel(pair: &RedisPair, login: &str) -> (RedisServer, String) {
    let sentinel = builder().unwrap().sentinel().start().unwrap();
    sentinel.watch(NAME, pair.primary.port()).unwrap();
    let port = sentinel.port();
    (
        sentinel,
        format!("redis-sentinel://{login}127.0.0.1:{port}#{NAME}"),
    )
}

async fn publish(queue: &dyn Queue) -> Result<(), Error> {
    let message = NewMessage::new(Kind::from_static("job"), "");
    queue.publish(vec![message], Duration::ZERO).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_goes_on_with_the_replica_that_the_sentinels_promote() {
    let Some(builder) = builder() else { return };
    let mut pair = RedisPair::start(builder).unwrap();
    let (sentinel, url) = sentinel(&pair, "");
    // It learns of replicas by asking the primary now and then.
    until_ok(async || {
        let watched = sentinel.info("sentinel", "master0").unwrap();
        let knows = watched
            .as_ref()
            .is_some_and(|line| line.contains("slaves=1"));
        knows.then_some(()).ok_or(watched)
    })
    .await;
    let backend = RedisBackend::connect(options(&url), Environment::system());
    let backend = backend.await.unwrap();
    let name = queue("q");
    backend
        .create(&name, &QueueConfig::default())
        .await
        .unwrap();
    let session = backend.open(&name, None).await.unwrap();
    publish(&*session).await.unwrap();
    pair.wait_until_linked().unwrap();
    until_ok(async || {
        let length = pair.replica.call(&["XLEN", "forebay:{q}:stream"]).unwrap();
        let has_it = length.integer() == Some(1);
        has_it.then_some(()).ok_or(())
    })
    .await;
    pair.primary.kill().unwrap();
    until_ok(async || publish(&*session).await).await;
    let role = pair.replica.info("replication", "role").unwrap();
    assert_eq!(role.as_deref(), Some("master"));
    let received = session.receive(9, PATIENCE).await.unwrap();
    assert!(received.len() >= 2, "{received:?}");
}

#[tokio::test]
async fn a_login_is_for_the_server_and_a_sentinel_that_wants_none_is_asked_nonetheless() {
    let Some(builder) = builder() else { return };
    let primary = builder.accounts().start().unwrap();
    let sentinel = self::builder().unwrap().sentinel().start().unwrap();
    sentinel.watch(NAME, primary.port()).unwrap();
    let url = primary.url();
    let login = url.strip_prefix("redis://").unwrap();
    let (login, _) = login.rsplit_once('@').unwrap();
    let port = sentinel.port();
    let servers = servers(&format!("redis-sentinel://{login}@127.0.0.1:{port}#{NAME}"));
    crate::probe::admit(&servers).await.unwrap();
    assert_eq!(servers.primaries().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_a_wrong_setting() {
    let Some(builder) = builder() else { return };
    let sentinel = builder.sentinel().start().unwrap();
    let url = format!("redis-sentinel://127.0.0.1:{}#canary", sentinel.port());
    let error = crate::probe::admit(&servers(&url)).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(matches!(error, Error::InvalidSetting { .. }), "{shown}");
    assert!(shown.contains("the name in REDIS_URL") && !shown.contains("canary"));
}
