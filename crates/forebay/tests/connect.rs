//! What the facade makes of settings: a queue, or one line that says what is wrong.

use forebay::{Connector, Settings, VARIABLES};

async fn refused(name: &str, value: &str) -> String {
    let settings = Settings::from_iter([(name, value)]);
    match Connector::new(settings).connect("emails").await {
        Ok(_) => panic!("{name}={value} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn defaults_give_a_memory_queue() {
    let queue = Connector::new(Settings::default())
        .connect("emails")
        .await
        .unwrap();
    assert_eq!(queue.backend().name(), "memory");
    assert_eq!(queue.management().stats().await.unwrap().capacity, 10_000);
}

#[tokio::test]
async fn every_wrong_value_names_variable_value_and_what_is_allowed_on_one_line() {
    let wrong = [
        ("QUEUE_BACKEND", "kafka"),
        ("QUEUE_DURABILITY", "forever"),
        ("QUEUE_CAPACITY", "0"),
        ("QUEUE_CAPACITY", "ten"),
        ("QUEUE_CAPACITY", "-1"),
        ("QUEUE_PUBLISH_WAIT", "100"),
        ("QUEUE_PUBLISH_WAIT", "2h"),
        ("QUEUE_LEASE", "1ms"),
        ("QUEUE_LEASE", "soon"),
        ("IDEMPOTENCY_WINDOW", "a day"),
        ("DLQ_RETENTION", "-3d"),
    ];
    for (name, value) in wrong {
        let error = refused(name, value).await;
        assert!(error.contains(&format!("{name}={value}")), "{error}");
        assert!(error.contains("allowed: "), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let tried: Vec<&str> = wrong.iter().map(|(name, _)| *name).collect();
    // Read by their backends alone, and tried with them.
    let of_backend =
        |name: &str| name.starts_with("REDIS_") || ["QUEUE_PATH", "QUEUE_SYNC"].contains(&name);
    for variable in VARIABLES.iter().filter(|v| !of_backend(v.name)) {
        assert!(
            tried.contains(&variable.name),
            "{} is not tried",
            variable.name
        );
    }
}

#[tokio::test]
async fn a_durability_that_is_not_met_stops_the_start() {
    let error = refused("QUEUE_DURABILITY", "fsynced").await;
    let expected = "QUEUE_DURABILITY=fsynced: allowed: what the backend memory gives here: memory";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn a_backend_that_was_not_built_in_says_so_by_name() {
    let settings = Settings::from_iter([("QUEUE_BACKEND", "elsewhere")]);
    let registry = forebay::registry().without("elsewhere", "else");
    let connector = Connector::new(settings).registry(registry);
    let error = connector.connect("emails").await.unwrap_err().to_string();
    assert!(error.contains("QUEUE_BACKEND=elsewhere"), "{error}");
    assert!(error.contains(r#"the feature "else" adds"#), "{error}");
}

#[tokio::test]
async fn the_defaults_in_the_table_are_the_defaults() {
    let listed = VARIABLES.iter().filter(|v| !v.default.is_empty());
    let settings = listed.map(|v| (v.name, v.default)).collect();
    let listed = forebay::QueueOptions::from_settings(&settings).unwrap();
    assert_eq!(
        listed,
        forebay::QueueOptions::from_settings(&Settings::default()).unwrap()
    );
}

#[tokio::test]
async fn a_backend_of_another_build_is_named_with_the_feature_that_brings_it() {
    let backends = [
        ("redis", cfg!(feature = "redis")),
        ("sqlite", cfg!(feature = "sqlite")),
        ("rocksdb", cfg!(feature = "rocksdb")),
    ];
    for (name, _) in backends.iter().filter(|(_, is_built)| !is_built) {
        let error = refused("QUEUE_BACKEND", name).await;
        assert!(error.contains(&format!("QUEUE_BACKEND={name}")), "{error}");
        let adds = format!("the feature {name:?} adds");
        assert!(error.contains(&adds), "{error}");
    }
}

#[test]
fn every_variable_is_listed_once() {
    let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    let listed = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), listed);
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn every_wrong_value_for_redis_is_named_and_what_may_be_a_secret_is_withheld() {
    let wrong = [
        ("REDIS_URL", "http://user:canary@localhost"),
        ("REDIS_PREFIX", "{canary}"),
        ("REDIS_CA", "/nowhere/authority.pem"),
        ("REDIS_CONNECT_TIMEOUT", "1ms"),
        ("REDIS_TIMEOUT", "soon"),
    ];
    let tried: Vec<&str> = wrong.iter().map(|(name, _)| *name).collect();
    for variable in forebay_queue_redis::VARIABLES {
        let name = variable.name;
        assert!(tried.contains(&name), "{name} is not tried");
        assert!(VARIABLES.contains(variable), "{name} is not in the table");
    }
    for (name, value) in wrong {
        let url = ("REDIS_URL", "rediss://localhost:1");
        let settings = Settings::from_iter([("QUEUE_BACKEND", "redis"), url, (name, value)]);
        let error = Connector::new(settings).connect("emails").await;
        let error = error.map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}=")), "{error}");
        assert!(error.contains("allowed: "), "{error}");
        assert!(!error.contains('\n'), "{error}");
        assert!(name != "REDIS_URL" || !error.contains("canary"), "{error}");
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_unavailable_without_its_address() {
    // Bound and let go: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap().port();
    let url = format!("redis://user:canary@127.0.0.1:{port}");
    let settings = Settings::from_iter([("QUEUE_BACKEND", "redis"), ("REDIS_URL", url.as_str())]);
    let error = Connector::new(settings).connect("emails").await;
    let error = error.map(drop).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("redis"), "{text}");
    assert!(
        !text.contains("canary") && !text.contains(&port.to_string()),
        "{text}"
    );
}
