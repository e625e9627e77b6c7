//! TLS, with the right authority and others.

use forebay_queue_core::{Certainty, Error};

use super::*;
use crate::failure::Advice;

async fn refused(servers: &Arc<Servers>) -> Failure {
    let way = Way::to(servers, "q");
    let failure = way.count().await.unwrap_err();
    assert_eq!(failure.certainty(), Certainty::NotDone, "{failure}");
    failure
}

#[tokio::test]
async fn only_the_authority_of_the_file_is_trusted() {
    let Some(builder) = builder() else { return };
    let server = builder.clone().encrypted().start().unwrap();
    let other = builder.encrypted().start().unwrap();
    let options = options(&server.url());
    let right = options.clone().with_authority(server.authority().unwrap());
    let way = Way::to(&Servers::new(right).unwrap(), "q");
    way.count().await.unwrap();
    way.link.dedicated().await.unwrap();

    let wrong = options.clone().with_authority(other.authority().unwrap());
    let start = Instant::now();
    let failure = refused(&Servers::new(wrong).unwrap()).await;
    let text = "the server's certificate is refused: its authority is not trusted";
    assert_eq!((failure.advice(), failure.text()), (Advice::Fatal, text));
    // It is told at once, there is nothing to wait for.
    assert!(start.elapsed() < Duration::from_millis(900));

    // The system's authorities, where there are any, do not know ours.
    if let Ok(servers) = Servers::new(options) {
        assert_eq!(refused(&servers).await.text(), text);
    }
}

#[tokio::test]
async fn one_side_that_does_not_encrypt_is_refused() {
    let Some(builder) = builder() else { return };
    let plain = builder.clone().start().unwrap();
    let encrypted = builder.encrypted().start().unwrap();
    let url = format!("rediss://127.0.0.1:{}", plain.port());
    let options = options(&url).with_authority(encrypted.authority().unwrap());
    refused(&Servers::new(options).unwrap()).await;
    refused(&servers(&format!("redis://127.0.0.1:{}", encrypted.port()))).await;
}

#[test]
fn a_file_without_authorities_is_refused_and_not_named() {
    let folder = std::env::temp_dir().join("forebay-canary-that-is-not-there");
    let options = options("rediss://localhost").with_authority(&folder);
    let error = Servers::new(options).err().unwrap();
    assert!(matches!(error, Error::InvalidSetting { .. }));
    assert!(!format!("{error} {error:?}").contains("canary"));
}
