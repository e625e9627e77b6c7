//! The embedded queue as settings choose it.

#![cfg(any(feature = "sqlite", feature = "rocksdb"))]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use forebay::core::Error;
use forebay::{Connection, Connector, Kind, NewMessage, Settings, VARIABLES};

/// Those of this build.
const BACKENDS: &[&str] = &[
    #[cfg(feature = "sqlite")]
    "sqlite",
    #[cfg(feature = "rocksdb")]
    "rocksdb",
];

async fn connect(backend: &str, path: &Path, others: &[(&str, &str)]) -> Result<Connection, Error> {
    let mut settings: Settings = others.iter().copied().collect();
    settings.set("QUEUE_BACKEND", backend);
    settings.set("QUEUE_PATH", path.to_str().unwrap());
    Connector::new(settings).connect("emails").await
}

/// What is wrong, and why, on one line.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    assert!(!text.contains('\n'), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_there_after_a_restart() {
    for backend in BACKENDS {
        for sync in ["always", "100ms", "never"] {
            let folder = tempfile::tempdir().unwrap();
            // Not there yet.
            let path = folder.path().join("queues");
            let queue = connect(backend, &path, &[("QUEUE_SYNC", sync)])
                .await
                .unwrap();
            assert_eq!(queue.backend().name(), *backend);
            let session = queue.session().await.unwrap();
            let message = NewMessage::new(Kind::from_static("k"), "payload");
            session
                .publish(vec![message], Duration::ZERO)
                .await
                .unwrap();
            queue.backend().close().await.unwrap();

            let queue = connect(backend, &path, &[]).await.unwrap();
            let session = queue.session().await.unwrap();
            let found = session.receive(10, Duration::ZERO).await.unwrap();
            assert_eq!(found.len(), 1, "{backend} {sync}");
            assert_eq!(found[0].message.payload(), "payload");
            assert_eq!(found[0].attempt, 1);
            queue.backend().close().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_is_what_sync_says() {
    for backend in BACKENDS {
        for (sync, demand, is_met) in [
            ("always", "fsynced", true),
            ("1s", "buffered", true),
            ("never", "buffered", true),
            ("1s", "fsynced", false),
            ("never", "fsynced", false),
            ("always", "replicated:1", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let others = [("QUEUE_SYNC", sync), ("QUEUE_DURABILITY", demand)];
            let found = connect(backend, folder.path(), &others).await;
            assert_eq!(found.is_ok(), is_met, "{backend} {sync} {demand}");
            if let Err(error) = found {
                let text = whole(&error);
                let says = format!("QUEUE_DURABILITY={demand}: allowed: ");
                assert!(text.starts_with(&says), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn every_wrong_value_is_named() {
    for backend in BACKENDS {
        for (name, value) in [
            ("QUEUE_PATH", ""),
            ("QUEUE_SYNC", "sometimes"),
            ("QUEUE_SYNC", "100"),
            ("QUEUE_SYNC", "-1s"),
        ] {
            let settings = [
                ("QUEUE_BACKEND", *backend),
                ("QUEUE_PATH", "/nowhere"),
                (name, value),
            ];
            let connector = Connector::new(Settings::from_iter(settings));
            let error = connector.connect("emails").await.map(drop).unwrap_err();
            let text = whole(&error);
            assert!(
                text.starts_with(&format!("{name}={value}: allowed: ")),
                "{text}"
            );
        }
    }
    for variable in forebay_queue_embedded::VARIABLES {
        assert!(VARIABLES.contains(variable), "{}", variable.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_used_says_so_and_what_to_do() {
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        let first = connect(backend, folder.path(), &[]).await.unwrap();
        let error = connect(backend, folder.path(), &[]).await.unwrap_err();
        let text = whole(&error);
        let directory = folder.path().display().to_string();
        assert!(text.contains(&directory), "{text}");
        assert!(text.contains("in use by another process"), "{text}");
        drop(first);

        let foreign = tempfile::tempdir().unwrap();
        std::fs::write(foreign.path().join("letters.txt"), "mine").unwrap();
        let error = connect(backend, foreign.path(), &[]).await.unwrap_err();
        let text = whole(&error);
        assert!(text.contains("use an empty directory"), "{text}");
    }
}
