use std::time::Duration;

use forebay_queue_core::{Headers, MessageId};
use forebay_test_kit::{Ending, perform};
use forebay_worker::{Failure, HandlerOptions, Meta, RetryPolicy};

use crate::app::{Mailer, SendEmail, email, worker};

// Most of these run on a running clock, as users' own tests may.

#[tokio::test]
async fn done_with_what_was_made_by_hand() {
    let mailer = Mailer::default();
    let done = perform(email("ann")).with(worker(&mailer)).await;
    done.assert_done();
    assert_eq!(done.ending(), &Ending::Done);
    assert_eq!(mailer.sent(), ["ann"]);
}

#[tokio::test]
async fn the_handler_sees_the_delivery() {
    let id = MessageId::from_bytes([7; 16]);
    let handler = move |_: SendEmail, meta: Meta, headers: Headers| async move {
        assert_eq!((meta.attempt(), meta.failures()), (4, 3));
        assert_eq!(meta.id(), id);
        assert_eq!(meta.idempotency_key(), Some("k"));
        assert_eq!(meta.queue().as_str(), "mails");
        assert!(meta.age() >= Duration::from_hours(2));
        assert!(meta.age() < Duration::from_hours(3));
        assert_eq!(headers.get("tenant"), Some("acme"));
        assert_eq!(meta.fairness_key(), "acme");
    };
    perform(email("ann"))
        .queue("mails")
        .attempt(4)
        .age(Duration::from_hours(2))
        .published(move |publish| {
            let publish = publish.id(id).idempotency_key("k").fairness_key("acme");
            publish
                .header("tenant", "acme")
                .delay(Duration::from_mins(1))
        })
        .with(|w| w.handle(handler))
        .await
        .assert_done();
}

#[tokio::test]
async fn every_other_end() {
    let run = |to| perform(email(to)).with(worker(&Mailer::default()));
    run("nobody").await.assert_rejected("no such address");
    run("panic").await.assert_retried("out of paper");
    run("later").await.assert_snoozed(Duration::from_hours(1));
    run("exactly")
        .await
        .assert_retried_after(Duration::from_mins(5), "not yet");
    let mailer = Mailer::default();
    mailer.set_down(true);
    let down = perform(email("ann")).with(worker(&mailer)).await;
    down.assert_unavailable();
    mailer.set_down(false);
    mailer.fail(1);
    let last = perform(email("ann")).attempt(3).with(worker(&mailer)).await;
    last.assert_dead("greylisted");
    let over = perform(email("ann")).attempt(4).with(worker(&mailer)).await;
    over.assert_dead("one too many");
}

#[tokio::test]
async fn a_retry_without_delay_is_not_followed_up() {
    let mailer = Mailer::default();
    let counted = mailer.clone();
    let handler = move |_: SendEmail| {
        counted.fail(0);
        let worker = counted.clone();
        async move {
            perform(email("counted"))
                .with(crate::app::worker(&worker))
                .await
                .assert_done();
            Err::<(), _>(Failure::retry_after("again", Duration::ZERO))
        }
    };
    let run = perform(email("ann")).with(|w| w.handle(handler)).await;
    run.assert_retried_after(Duration::ZERO, "again");
    assert_eq!(mailer.sent(), ["counted"], "it ran once");
}

#[tokio::test(start_paused = true)]
async fn limits_and_policies_are_those_of_the_worker() {
    // tidy: sleep — the handler is slow, on a paused clock
    let slow = |_: SendEmail| tokio::time::sleep(Duration::from_mins(10));
    let options = HandlerOptions::new()
        .timeout(Duration::from_secs(2))
        .retry(RetryPolicy::never());
    let run = perform(email("ann"))
        .with(|w| w.handle_with(slow, options))
        .await;
    run.assert_dead("timed out after 2s");
    assert_eq!(run.took(), Duration::from_secs(2));
    let run = perform(email("ann")).with(|w| w.handle(slow)).await;
    run.assert_done();
    assert_eq!(run.took(), Duration::from_mins(10));
    let old = perform(email("nobody-knows")).age(Duration::from_hours(100));
    let mailer = Mailer::default();
    mailer.fail(1);
    old.with(worker(&mailer)).await.assert_dead("greylisted");
}
